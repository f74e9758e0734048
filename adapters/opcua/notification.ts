import type { DataValue, NotificationMessage } from './library.ts';

/** The server's own data notification, or something else inside a message. */
export interface DataChange {
  readonly monitoredItems?: readonly { readonly clientHandle: number; readonly value: DataValue }[] | null;
  readonly status?: { readonly name: string; readonly value: number };
}

/** What a message carries; nothing at all in a keep-alive. */
export function changesOf(message: NotificationMessage): readonly DataChange[] {
  return (message.notificationData ?? []) as readonly DataChange[];
}

export function valuesOf(message: NotificationMessage): DataValue[] {
  return changesOf(message).flatMap(({ monitoredItems }) => (monitoredItems ?? []).map(({ value }) => value));
}

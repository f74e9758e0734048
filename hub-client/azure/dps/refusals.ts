import { GatewayError } from '../../../model/error.ts';

/**
 * Counts how often, in a row, a hub would not have an assigned device, and says when Device Provisioning is worth asking again: at the
 * second time, the fourth, the eighth …, so that a device which is simply disabled does not burden it.
 */
export class Refusals {
  /** By state folder: one for each hub that this process connects to. */
  readonly #times = new Map<string, number>();

  accepted(stateFolder: string): void {
    this.#times.delete(stateFolder);
  }

  /** Whether this one is reason enough to ask. */
  refused(stateFolder: string): boolean {
    const times = (this.#times.get(stateFolder) ?? 0) + 1;
    this.#times.set(stateFolder, times);
    return times >= 2 && (times & (times - 1)) === 0;
  }
}

/** Whether the hub does not know this device (any more), or is not there (any more). */
export function speaksAgainstAssignment(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false;
  if (error.code === 'hub-credentials' || error.code === 'hub-device') return true;
  return error.code === 'hub-unreachable' && (error.cause as { code?: unknown } | undefined)?.code === 'ENOTFOUND';
}

import { GatewayError } from '../../model/error.ts';
import type { Policy } from './sas.ts';

/** What a connection string of Service Bus or Event Hubs says. */
export interface ServiceBusConnectionString {
  readonly host: string;
  readonly port: number;
  /** False for the emulator on a developer's machine. */
  readonly tls: boolean;
  /** Queue, topic or event hub. */
  readonly entity: string | undefined;
  readonly proof: Policy | { readonly token: string };
}

/**
 * Reads `Endpoint=sb://HOST[:PORT]/;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=…]`, or with a ready-made
 * `SharedAccessSignature=…` instead of name and key. Names are case-insensitive, their order is free.
 * Throws GatewayError `connection-string`, `after-fix`; its text never contains the key.
 */
export function parseServiceBusConnectionString(text: string): ServiceBusConnectionString {
  const fields = splitFields(text);
  if (fields.has('hostname')) throw wrong('is one of IoT Hub; for that write hub: { kind: azure, … }');
  if (fields.has('accountname')) throw wrong('is one of a storage account');
  const emulator = fields.get('usedevelopmentemulator')?.toLowerCase() === 'true';
  const endpoint = /^sb:\/\/([^/:]+)(?::(\d{1,5}))?\/?$/i.exec(need(fields, 'Endpoint'));
  if (!endpoint?.[1]) throw wrong('has an Endpoint that is not sb://NAME.servicebus.windows.net/');
  const token = fields.get('sharedaccesssignature');
  return {
    host: endpoint[1],
    port: endpoint[2] ? Number(endpoint[2]) : emulator ? 5672 : 5671,
    tls: !emulator,
    entity: fields.get('entitypath') || undefined,
    proof: token ? { token } : { name: need(fields, 'SharedAccessKeyName'), key: need(fields, 'SharedAccessKey') },
  };
}

function splitFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const cleaned = text
    .replace(/^\uFEFF/, '')
    .trim()
    .replace(/^(["'])(.*)\1$/s, '$2');
  if (cleaned === '') throw wrong('is empty');
  for (const part of cleaned.split(';')) {
    if (part.trim() === '') continue;
    // Values contain "=" themselves: base64 padding.
    const equals = part.indexOf('=');
    if (equals < 1) throw wrong('has a part without "Name="; the parts are separated by ";"');
    const name = part.slice(0, equals).trim();
    if (fields.has(name.toLowerCase())) throw wrong(`has ${name} twice`);
    fields.set(name.toLowerCase(), part.slice(equals + 1).trim());
  }
  return fields;
}

function need(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name.toLowerCase());
  if (!value) throw wrong(`has no ${name}`);
  return value;
}

function wrong(what: string): GatewayError {
  return new GatewayError('connection-string', `The connection string ${what}.`, {
    retry: 'after-fix',
    hint: 'It looks like Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=… and is found in: Azure portal, the namespace (or the queue, the event hub), Shared access policies.',
  });
}

import type { IncomingHttpHeaders } from 'node:http';
import type { CloudMessage } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import type { Api } from './api.ts';

/** Cloud-to-device messages over HTTPS: sent to a queue, and a queue emptied. */
export function addMessageRoutes({ core, route }: Api): void {
  route('POST', '/messages/devicebound', 'serviceConnect', async ({ body, request: { headers } }) => {
    const to = header(headers, 'iothub-to') ?? '';
    await core.messages.enqueue(deviceOf(to), { ...messageOf(headers), to, body: bodyOf(body) });
  });
  route('DELETE', '/devices/:id/commands', 'serviceConnect', async ({ params }) => {
    const deviceId = params.id as string;
    return { deviceId, moduleId: null, totalMessagesPurged: await core.messages.purge(deviceId) };
  });
}

/** The device of `/devices/{id}/messages/devicebound`, its id percent-encoded. */
export function deviceOf(to: string): string {
  const id = /^\/?devices\/([^/]+)\/messages\/devicebound$/i.exec(to)?.[1];
  try {
    if (id !== undefined) return decodeURIComponent(id);
  } catch {
    // Said below.
  }
  throw new RequestError('ArgumentInvalid', `"${to}" is no address of a device; write /devices/ID/messages/devicebound`);
}

/** From the API of the service: `none`, `positive`, `negative`, `full`; anything else is none. */
export function ackOf(text: unknown): CloudMessage['ack'] {
  return (['positive', 'negative', 'full'] as const).find((ack) => ack === text) ?? 'none';
}

const application = 'iothub-app-';

function messageOf(headers: IncomingHttpHeaders): Omit<CloudMessage, 'body'> {
  const expiry = header(headers, 'iothub-expiry');
  const expiresMs = expiry === undefined ? undefined : Date.parse(expiry);
  if (Number.isNaN(expiresMs))
    throw new RequestError('ArgumentInvalid', `iothub-expiry is "${expiry}", not a time such as 2026-11-24T08:00:00Z`);
  const properties = Object.keys(headers)
    .filter((name) => name.startsWith(application))
    .map((name) => [name.slice(application.length), header(headers, name) ?? ''] as const);
  return {
    properties: Object.fromEntries(properties),
    messageId: header(headers, 'iothub-messageid'),
    correlationId: header(headers, 'iothub-correlationid'),
    userId: header(headers, 'iothub-userid'),
    contentType: header(headers, 'iothub-contenttype'),
    contentEncoding: header(headers, 'iothub-contentencoding'),
    expiresMs,
    ack: ackOf(header(headers, 'iothub-ack')),
  };
}

const header = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const bodyOf = (body: unknown): Uint8Array => (body instanceof Buffer ? body : Buffer.from(body === undefined ? '' : JSON.stringify(body)));

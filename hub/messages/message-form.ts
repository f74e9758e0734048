import type { CloudMessage } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';

/** Body and properties together. */
const maxMessageBytes = 64 * 1024;
/** MQTT 3.1.1 §1.5.3: a topic is at most this long. */
const maxTopicBytes = 65_535;
const defaultLifeMs = 3_600_000;
const longestLifeMs = 2 * 86_400_000;

/** When it expires, epoch milliseconds. Throws a RequestError for more than two days. */
export function expiryOf({ expiresMs }: CloudMessage, nowMs: number): number {
  if (expiresMs === undefined) return nowMs + defaultLifeMs;
  if (!Number.isFinite(expiresMs)) throw new RequestError('ArgumentInvalid', 'the expiry is not a time');
  if (expiresMs > nowMs + longestLifeMs) throw new RequestError('ArgumentInvalid', 'a message may wait two days at most');
  return Math.trunc(expiresMs);
}

/**
 * The last segment of the topic: `%24.mid=…&%24.to=…&key=value`. Everything is encoded, since the device's SDK reads up to the next slash.
 * Throws a RequestError when the message is too large, or its texts cannot be encoded.
 */
export function propertyBag(deviceId: string, message: CloudMessage, expiresMs: number | undefined): string {
  const system: readonly (readonly [string, string | undefined])[] = [
    ['$.mid', message.messageId],
    ['$.to', message.to ?? `/devices/${encodeURIComponent(deviceId)}/messages/devicebound`],
    ['$.exp', expiresMs === undefined ? undefined : new Date(expiresMs).toISOString()],
    ['$.cid', message.correlationId],
    ['$.uid', message.userId],
    ['$.ct', message.contentType],
    ['$.ce', message.contentEncoding],
    ['iothub-ack', message.ack === 'none' ? undefined : message.ack],
  ];
  const properties = Object.entries(message.properties ?? {});
  const bytes = [...system, ...properties].reduce((sum, [, value]) => sum + Buffer.byteLength(value ?? ''), message.body.length);
  if (bytes + properties.reduce((sum, [key]) => sum + Buffer.byteLength(key), 0) > maxMessageBytes) {
    throw new RequestError('MessageTooLarge', `a cloud-to-device message has at most ${maxMessageBytes} bytes`);
  }
  const bag = encoded([...system, ...properties]);
  if (bag.length + deviceId.length + 40 > maxTopicBytes) {
    throw new RequestError('MessageTooLarge', 'the properties of the message are too long for a topic');
  }
  return bag;
}

function encoded(pairs: readonly (readonly [string, string | undefined])[]): string {
  try {
    // `key=` and never the key alone, which the SDK reads as "undefined".
    return pairs
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value as string)}`)
      .join('&');
  } catch {
    throw new RequestError('ArgumentInvalid', 'the properties of the message hold half a character');
  }
}

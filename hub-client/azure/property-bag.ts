import { GatewayError } from '../../model/error.ts';
import type { HubMessage } from '../contract.ts';
import { percentEncode } from './percent.ts';

/** IoT Hub: body, system property values, and names and values of application properties count together. */
export const hardLimitBytes = 256 * 1024;
/** An MQTT string has a 16-bit length (MQTT 3.1.1 §1.5.3). */
const maxTopicBytes = 65_535;

export interface Envelope {
  readonly topic: string;
  /** What the hub counts beside the body. */
  readonly propertyBytes: number;
}

/**
 * Topic of one telemetry message: `{root}/messages/events/{bag}`, where the root is `devices/{id}` or `devices/{id}/modules/{id}`. The bag
 * has, in this order, `$.mid`, `$.ct`, `$.ce`, `$.on` (the output of a module), `iothub-creation-time-utc` and the application properties; names and values percent-encoded, so `$` is `%24`.
 * Throws GatewayError `never` when the hub would refuse a property.
 */
export function telemetryEnvelope(root: string, message: HubMessage, output?: string): Envelope {
  if (!/^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/.test(message.id)) {
    throw poison(
      'message-id',
      `The message id "${message.id}" is not one that IoT Hub takes (1 to 128 ASCII characters, no space or slash)`,
    );
  }
  const bag = new Bag();
  bag.system('$.mid', message.id);
  bag.system('$.ct', routable(message.contentType));
  bag.system('$.ce', message.contentEncoding);
  if (output !== undefined) bag.system('$.on', output);
  bag.application('iothub-creation-time-utc', new Date(message.createdMs).toISOString());
  for (const [name, value] of Object.entries(message.properties ?? {})) {
    // A name of the system set would be read as one; the hub would take a forged message id.
    if (name === '' || name.startsWith('$') || name.toLowerCase().startsWith('iothub-')) {
      throw poison('message-property', `"${name}" cannot be the name of an application property: $ and iothub- belong to the hub`);
    }
    bag.application(name, value);
  }
  return enveloped(root, bag, message.id);
}

function enveloped(root: string, bag: Bag, id: string): Envelope {
  const topic = `${root}/messages/events/${bag.text}`;
  if (Buffer.byteLength(topic) > maxTopicBytes) {
    throw poison('message-too-large', `The properties of message ${id} make a topic of ${Buffer.byteLength(topic)} bytes`);
  }
  return { topic, propertyBytes: bag.bytes };
}

/** A message of a module on its way through, as it came: nothing is added to it. */
export interface ForwardedMessage {
  readonly body: Uint8Array;
  /** By their names on the wire: `$.mid`, `$.ct`, `$.on`, … */
  readonly system: Readonly<Record<string, string>>;
  /** Application properties; names that begin with `$` belong to the hub and are left out. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Topic of a message that is only passed on. Throws GatewayError `message-too-large`, `never`, when its properties are too long for a topic. */
export function forwardedEnvelope(root: string, { system, properties }: ForwardedMessage): Envelope {
  const bag = new Bag();
  for (const [name, value] of Object.entries(system)) bag.system(name, value);
  for (const [name, value] of Object.entries(properties)) if (name !== '' && !name.startsWith('$')) bag.application(name, value);
  return enveloped(root, bag, system['$.mid'] ?? '(without id)');
}

/** Throws GatewayError `message-too-large`, `never`, when the hub would refuse the message for its size. */
export function checkSize(message: Pick<HubMessage, 'id'>, bodyBytes: number, propertyBytes: number): void {
  const total = bodyBytes + propertyBytes;
  if (total <= hardLimitBytes) return;
  throw poison(
    'message-too-large',
    `Message ${message.id} has ${total} bytes (${bodyBytes} body, ${propertyBytes} properties); IoT Hub takes ${hardLimitBytes}`,
  );
}

/**
 * Message routing of the hub looks into bodies of exactly `application/json` with `utf-8`; the structured forms of CloudEvents
 * are JSON and would otherwise be stored as base64.
 */
function routable(contentType: string): string {
  return /^application\/[a-z0-9.-]+\+json\s*(;|$)/i.test(contentType) ? 'application/json' : contentType;
}

class Bag {
  text = '';
  bytes = 0;

  system(name: string, value: string): void {
    this.#add(name, value);
    this.bytes += Buffer.byteLength(value);
  }

  application(name: string, value: string): void {
    this.#add(name, value);
    this.bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }

  #add(name: string, value: string): void {
    this.text += `${this.text === '' ? '' : '&'}${percentEncode(name)}=${percentEncode(value)}`;
  }
}

function poison(code: string, message: string): GatewayError {
  return new GatewayError(code, `${message}.`, { retry: 'never' });
}

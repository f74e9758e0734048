import rhea, { type Message } from 'rhea';
import type { CloudMessage, EventMessage } from '../core/contract.ts';
import { ackOf } from '../service/messages.ts';

const { types } = rhea;

/** Fields of the properties section by their names in AMQP; `user-id` is binary on the wire. */
const fields: Readonly<Record<string, keyof Message>> = {
  'message-id': 'message_id',
  'correlation-id': 'correlation_id',
  'content-type': 'content_type',
  'content-encoding': 'content_encoding',
  to: 'to',
  subject: 'subject',
  'reply-to': 'reply_to',
  'group-id': 'group_id',
};
const times = new Set(['iothub-enqueuedtime', 'iothub-creation-time-utc']);

/** A telemetry message as Event Hubs shows it. */
export function eventToAmqp(event: EventMessage): Message {
  const message: Record<string, unknown> = {
    body: rhea.message.data_section(Buffer.from(event.body.buffer, event.body.byteOffset, event.body.byteLength)),
    message_annotations: {
      ...Object.fromEntries(Object.entries(event.annotations).map(([name, value]) => [name, times.has(name) ? time(value) : value])),
      'x-opt-sequence-number': types.wrap_long(event.sequenceNumber),
      'x-opt-offset': event.offset,
      'x-opt-enqueued-time': types.wrap_timestamp(event.enqueuedMs),
    },
  };
  for (const [name, value] of Object.entries(event.system)) {
    const field = fields[name];
    if (field) message[field] = value;
    else if (name === 'user-id') message.user_id = Buffer.from(value);
    else if (name === 'absolute-expiry-time' && !Number.isNaN(Date.parse(value))) message.absolute_expiry_time = new Date(value);
  }
  if (Object.keys(event.properties).length > 0) message.application_properties = event.properties;
  return message as unknown as Message;
}

function time(value: string): unknown {
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? value : types.wrap_timestamp(ms);
}

/** A message for a device as a service sends it; undefined when its body is not bytes or text. */
export function commandOf(message: Message): CloudMessage | undefined {
  const body = bodyOf(message.body);
  if (!body) return undefined;
  const { 'iothub-ack': ack, ...properties } = (message.application_properties ?? {}) as Record<string, unknown>;
  const expiresMs = message.absolute_expiry_time === undefined ? undefined : Number(message.absolute_expiry_time);
  return {
    body,
    properties: Object.fromEntries(Object.entries(properties).flatMap(([name, value]) => (isText(value) ? [[name, String(value)]] : []))),
    messageId: idOf(message.message_id),
    correlationId: idOf(message.correlation_id),
    userId: message.user_id === undefined ? undefined : idOf(message.user_id),
    contentType: message.content_type,
    contentEncoding: message.content_encoding,
    to: message.to,
    expiresMs: Number.isFinite(expiresMs) ? expiresMs : undefined,
    ack: ackOf(ack),
  };
}

const isText = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value) || value instanceof Date;

/** Ids that look like a GUID travel as 16 bytes. */
function idOf(id: unknown): string | undefined {
  if (id === undefined || id === null) return undefined;
  if (id instanceof Buffer) return id.length === 16 ? rhea.uuid_to_string(id) : id.toString('utf8');
  return String(id);
}

/** One data section, several, or a text or binary value. */
function bodyOf(body: unknown): Buffer | undefined {
  const content = typeof body === 'object' && body !== null && 'content' in body ? (body as { content: unknown }).content : body;
  if (content === undefined || content === null) return Buffer.alloc(0);
  if (content instanceof Buffer) return content;
  if (typeof content === 'string') return Buffer.from(content);
  return Array.isArray(content) && content.every((part) => part instanceof Buffer) ? Buffer.concat(content) : undefined;
}

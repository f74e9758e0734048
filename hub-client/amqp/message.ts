import type { HubMessage } from '../contract.ts';
import { composite, dataHead, mapSection, nothing, string, symbol, timestamp, yes } from './encode.ts';

/** What a message carries beside its own words. */
export interface Envelope {
  readonly gateway: string;
  /** `x-opt-partition-key` and group-id; undefined: none. */
  readonly partitionKey: string | undefined;
}

/** Room for everything around the body: ids of 64 characters, a long ISA-95 path, properties. */
export const envelopeBytes = 2_048;

/**
 * One message as it goes into transfers (part 3 §3.2): header (durable), annotations, properties, application properties, and the body as
 * one data section, so that a consumer that speaks another protocol gets our bytes and not AMQP-encoded ones.
 * `about` is written as application properties, which brokers can filter by. A whole set of `cloudEvents:` attributes is in the body alone.
 */
export function encodeMessage(message: HubMessage, body: Uint8Array, contentEncoding: string, envelope: Envelope): Buffer {
  return Buffer.concat([...sectionsBefore(message, contentEncoding, envelope), dataHead(body.byteLength), body]);
}

function sectionsBefore(message: HubMessage, contentEncoding: string, { gateway, partitionKey }: Envelope): readonly Uint8Array[] {
  const { about } = message;
  const properties: Record<string, string> = { gateway, ...aboutProperties(message), ...message.properties };
  return [
    header,
    ...(partitionKey === undefined ? [] : [mapSection(0x72, [symbol('x-opt-partition-key'), string(partitionKey)])]),
    composite(0x73, [
      string(message.id),
      nothing, // user-id
      nothing, // to
      about === undefined ? nothing : string(about.equipment),
      nothing, // reply-to
      nothing, // correlation-id
      symbol(message.contentType),
      symbol(contentEncoding),
      nothing, // absolute-expiry-time
      timestamp(message.createdMs),
      partitionKey === undefined ? nothing : string(partitionKey),
    ]),
    mapSection(
      0x74,
      Object.entries(properties).flatMap(([name, value]) => [string(name), string(value)]),
    ),
  ];
}

/** Header (§3.2.1): durable, everything else as the standard has it. */
const header = composite(0x70, [yes]);

function aboutProperties({ about }: HubMessage): Record<string, string> {
  if (!about) return {};
  const { equipment, path, message, priority, point } = about;
  return { equipment, ...(path === '' ? {} : { path }), message, priority, ...(point === undefined ? {} : { point }) };
}

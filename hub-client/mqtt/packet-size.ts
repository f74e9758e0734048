import type { IClientPublishOptions } from 'mqtt';

export type PublishProperties = NonNullable<IClientPublishOptions['properties']>;

/** Bytes of a PUBLISH of QoS 1 on the wire (MQTT 5.0 §3.3), to hold against the Maximum Packet Size of the broker. */
export function publishBytes(topic: string, bodyBytes: number, properties: PublishProperties | undefined, version: 4 | 5): number {
  let rest = 2 + Buffer.byteLength(topic) + 2 + bodyBytes;
  if (version === 5) {
    const bytes = propertyBytes(properties ?? {});
    rest += lengthBytes(bytes) + bytes;
  }
  return 1 + lengthBytes(rest) + rest;
}

function propertyBytes({ payloadFormatIndicator, messageExpiryInterval, contentType, userProperties }: PublishProperties): number {
  let bytes = 0;
  if (payloadFormatIndicator !== undefined) bytes += 2;
  if (messageExpiryInterval !== undefined) bytes += 5;
  if (contentType !== undefined) bytes += 3 + Buffer.byteLength(contentType);
  for (const [name, value] of Object.entries(userProperties ?? {})) {
    for (const each of [value].flat()) bytes += 5 + Buffer.byteLength(name) + Buffer.byteLength(String(each));
  }
  return bytes;
}

/** Of a variable byte integer (§1.5.5). */
function lengthBytes(n: number): number {
  if (n < 128) return 1;
  if (n < 16_384) return 2;
  return n < 2_097_152 ? 3 : 4;
}

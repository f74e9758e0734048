import type { RoutedMessage } from '../../deployments/contract.ts';
import type { EventOrigin } from '../cloud-event.ts';
import type { OutboxEvent } from '../outbox/contract.ts';
import type { UpstreamSender } from './broker/contract.ts';

/** CloudEvents of 64 KiB are portable; a larger body is a dead letter of the broker. */
const maxBodyBytes = 256 * 1024;

/**
 * The way to `$upstream` where the hub knows no modules: a message becomes an event of type `dragoman.module.v1` in the outbox, and goes wherever
 * readings go. Its subject is the module; `data` is the body when that is JSON, else `data_base64` has it.
 */
export function outboxSender(origin: EventOrigin, append: (event: OutboxEvent) => Promise<void>): UpstreamSender {
  return {
    maxBodyBytes,
    send(message) {
      const nowMs = Date.now();
      return append({ encode: (sequence) => moduleEvent(origin, message, sequence, nowMs), readings: 0, fromMs: nowMs, toMs: nowMs });
    },
  };
}

function moduleEvent(origin: EventOrigin, { body, properties, system }: RoutedMessage, sequence: number, nowMs: number): string {
  const module = system.connectionModuleId ?? 'unknown';
  const content = system.contentType ?? 'application/octet-stream';
  const envelope = {
    specversion: '1.0',
    id: `${origin.gateway}/${origin.outbox}/${sequence}`,
    source: origin.source,
    type: 'dragoman.module.v1',
    subject: module,
    time: new Date(nowMs).toISOString(),
    datacontenttype: content,
    sequence: String(sequence),
    partitionkey: module,
    ...(system.outputName !== undefined && { output: system.outputName }),
    ...(Object.keys(properties).length > 0 && { properties: JSON.stringify(properties) }),
  };
  const text = content.startsWith('application/json') ? jsonText(body) : undefined;
  const data = text === undefined ? `"data_base64":"${Buffer.from(body).toString('base64')}"` : `"data":${text}`;
  return `${JSON.stringify(envelope).slice(0, -1)},${data}}`;
}

/** As it was written: numbers keep their digits. Undefined when it is not JSON. */
function jsonText(body: Uint8Array): string | undefined {
  const text = Buffer.from(body).toString('utf8');
  try {
    JSON.parse(text);
    return text.trim();
  } catch {
    return undefined;
  }
}

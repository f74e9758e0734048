import type { Priority } from '../model/telemetry.ts';
import { isoTime } from './iso-time.ts';
import type { GapRecord } from './outbox/contract.ts';

/** Who speaks: goes into `source` and `id` of every event. */
export interface EventOrigin {
  readonly gateway: string;
  /** `/candyco/leeds/gw-leeds-1` */
  readonly source: string;
  /** Names the outbox that numbers the events: a new outbox begins at 1 again, and its ids must not repeat the old ones. */
  readonly outbox: string;
}

export function eventOrigin(gateway: string, path: string, outbox: string): EventOrigin {
  return { gateway, source: `/${path === '' ? '' : `${path}/`}${gateway}`, outbox };
}

/** The parts of a telemetry event that are the same for each event of one machine. */
export function telemetryEnvelope(
  origin: EventOrigin,
  equipment: string,
  path: string,
  message?: { readonly name: string; readonly priority: Priority },
): TelemetryEnvelope {
  const subject = JSON.stringify(equipment);
  const priority = message === undefined || message.priority === 'telemetry' ? '' : `"priority":"${message.priority}",`;
  const name = message === undefined ? '' : `,"message":${JSON.stringify(message.name)}`;
  return {
    head: `{"specversion":"1.0","id":"${origin.gateway}/${origin.outbox}/`,
    afterId: `","source":${JSON.stringify(origin.source)},"type":"dragoman.telemetry.v1","subject":${subject},"time":"`,
    afterTime: `","datacontenttype":"application/json","sequence":"`,
    afterSequence: `","partitionkey":${subject},${priority}"data":{"equipment":${subject}${path === '' ? '' : `,"path":${JSON.stringify(path)}`}${name},"readings":[`,
  };
}

export interface TelemetryEnvelope {
  readonly head: string;
  readonly afterId: string;
  readonly afterTime: string;
  readonly afterSequence: string;
}

/** CloudEvents 1.0 structured JSON. `readings` is the comma-joined text of the readings, `timeMs` the gateway time of the last one. */
export function telemetryEvent(envelope: TelemetryEnvelope, sequence: number, timeMs: number, readings: string): string {
  return `${envelope.head}${sequence}${envelope.afterId}${isoTime(timeMs)}${envelope.afterTime}${sequence}${envelope.afterSequence}${readings}]}}`;
}

/** A loss, said aloud. */
export function gapEvent(origin: EventOrigin, gap: GapRecord, sequence: number): string {
  return JSON.stringify({
    specversion: '1.0',
    id: `${origin.gateway}/${origin.outbox}/${sequence}`,
    source: origin.source,
    type: 'dragoman.gap.v1',
    subject: gap.equipment ?? origin.gateway,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    sequence: String(sequence),
    partitionkey: gap.equipment ?? origin.gateway,
    data: {
      equipment: gap.equipment,
      point: gap.point,
      from: new Date(gap.fromMs).toISOString(),
      to: new Date(gap.toMs).toISOString(),
      readings: gap.readings,
      reason: gap.reason,
      firstSequence: gap.firstSequence === undefined ? undefined : String(gap.firstSequence),
      lastSequence: gap.lastSequence === undefined ? undefined : String(gap.lastSequence),
      destination: gap.destination,
      again: gap.again,
    },
  });
}

/** Who did what, from the audit log; its number and hash are inside, so that the chain can be proven elsewhere. */
export function auditEvent(origin: EventOrigin, entry: { readonly time: string }, sequence: number): string {
  return JSON.stringify({
    specversion: '1.0',
    id: `${origin.gateway}/${origin.outbox}/${sequence}`,
    source: origin.source,
    type: 'dragoman.audit.v1',
    subject: origin.gateway,
    time: entry.time,
    datacontenttype: 'application/json',
    sequence: String(sequence),
    partitionkey: origin.gateway,
    data: entry,
  });
}

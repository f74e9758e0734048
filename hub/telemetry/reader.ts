import { existsSync } from 'node:fs';
import type { DatabaseSync } from '../database.ts';
import { afterFix } from '../error.ts';
import { hubFiles } from '../folder.ts';
import { type BodyEncoding, type CloudEvent, headOf, parseEvents, plainBody } from './events.ts';
import type { Removed } from './retention.ts';
import { openTelemetryReader } from './schema.ts';

export interface TelemetryRange {
  /** Epoch milliseconds by the time of the event, `from` inclusive, `to` exclusive. Default: everything that is kept. */
  readonly from?: number;
  readonly to?: number;
  readonly device?: string;
  /** Subject of the events. */
  readonly equipment?: string;
  /** Also events that had arrived before. Default false. */
  readonly duplicates?: boolean;
}

/** One event as the device sent it, with what the hub knows about its arrival. */
export interface StoredEvent {
  readonly device: string;
  readonly arrivedMs: number;
  /** System (`$.mid`, …) and application properties of the message it came in. */
  readonly properties: Readonly<Record<string, string>>;
  readonly event: CloudEvent;
}

/** Rows read in one go; between them the writer is free to tidy up. */
const pageRows = 20;

/** Events in the order of arrival, also while the hub runs. */
export async function* readTelemetry(folder: string, range: TelemetryRange = {}): AsyncGenerator<StoredEvent> {
  using reader = openReader(folder);
  for (let after = 0; ; ) {
    const rows = reader.page(after, range);
    if (rows.length === 0) return;
    for (const row of rows) yield* eventsOf(row, range);
    after = rows.at(-1)?.id as number;
  }
}

/** Events as they arrive from now on, until the signal aborts. Looks ten times a second. */
export async function* followTelemetry(folder: string, range: TelemetryRange, signal: AbortSignal): AsyncGenerator<StoredEvent> {
  using reader = openReader(folder);
  let after = reader.lastId();
  while (!signal.aborted) {
    const rows = reader.page(after, range);
    for (const row of rows) yield* eventsOf(row, range);
    after = (rows.at(-1)?.id as number | undefined) ?? after;
    if (rows.length === 0) await pause(100, signal);
  }
}

/** What retention took away, so that nobody takes silence for "nothing happened". */
export function removedTelemetry(folder: string): readonly Removed[] {
  using reader = openReader(folder);
  return reader.db
    .prepare('SELECT reason, messages, events, size, first_ms AS firstMs, last_ms AS lastMs FROM removed ORDER BY reason')
    .all() as unknown as readonly Removed[];
}

export interface TelemetryReader extends Disposable {
  readonly db: DatabaseSync;
  lastId(): number;
  page(after: number, range: TelemetryRange): readonly Row[];
}

type Row = Record<string, unknown>;

export function openReader(folder: string): TelemetryReader {
  if (!existsSync(hubFiles(folder).telemetry)) {
    throw afterFix('hub-no-data', `no hub has run in ${folder} yet`, 'start one with "dragoman hub", or name its folder with --data');
  }
  const db = openTelemetryReader(folder);
  const select = db.prepare(
    `SELECT * FROM messages WHERE id > ? AND to_ms >= ? AND from_ms < ? AND (? = '' OR device = ?)
     AND (? = '' OR events = 0 OR instr(subjects, ?) > 0) ORDER BY id LIMIT ${pageRows}`,
  );
  return {
    db,
    lastId: () => Number(db.prepare('SELECT coalesce(max(id), 0) AS id FROM messages').get()?.id),
    page(after, { from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER, device = '', equipment = '' }) {
      return select.all(after, from, to, device, device, equipment, `\n${equipment}\n`);
    },
    [Symbol.dispose]: () => db.close(),
  };
}

function* eventsOf(row: Row, range: TelemetryRange): Generator<StoredEvent> {
  const stored = {
    device: row.device as string,
    arrivedMs: row.arrived_ms as number,
    properties: JSON.parse(row.properties as string) as Record<string, string>,
  };
  const skip = new Set(row.duplicates === null || range.duplicates ? [] : (JSON.parse(row.duplicates as string) as number[]));
  for (const [index, event] of decode(row).entries()) {
    if (skip.has(index)) continue;
    const head = headOf(event, stored.arrivedMs);
    if (head.timeMs < (range.from ?? -Infinity) || head.timeMs >= (range.to ?? Infinity)) continue;
    if (range.equipment !== undefined && head.subject !== range.equipment) continue;
    yield { ...stored, event };
  }
}

function decode(row: Row): readonly CloudEvent[] {
  const body = row.body as Uint8Array;
  try {
    const plain = plainBody(body, row.encoding as BodyEncoding);
    return parseEvents(plain) ?? [wrapped(row, plain)];
  } catch {
    return [wrapped(row, body)];
  }
}

/** A message of a device or module that speaks no CloudEvents, as one. */
function wrapped(row: Row, body: Uint8Array): CloudEvent {
  const bytes = Buffer.from(body);
  const { '$.cmid': module, '$.on': output } = JSON.parse(row.properties as string) as Record<string, string>;
  const head = {
    specversion: '1.0',
    id: `message-${row.id}`,
    source: module === undefined ? `/devices/${row.device}` : `/devices/${row.device}/modules/${module}`,
    type: 'dragoman.message.v1',
    time: new Date(row.arrived_ms as number).toISOString(),
    ...(output !== undefined && { output }),
  };
  try {
    return { ...head, datacontenttype: 'application/json', data: JSON.parse(bytes.toString('utf8')) };
  } catch {
    return { ...head, data_base64: bytes.toString('base64') };
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
  });
}

import type { Encoder, Grain } from '../../encodings/contract.ts';
import type { HubMessage, HubSession } from '../../hub-client/contract.ts';
import type { HubEvent } from '../../model/telemetry.ts';
import type { OutboxBatch } from '../outbox/contract.ts';
import type { Select } from './selection.ts';

/** What a batch of the outbox becomes for one destination. */
export interface Translated {
  readonly parts: readonly Part[];
  /** Sequence of the last event that this destination gets; kept with its position, and the next event names it as `previous`. */
  readonly mark: string | undefined;
}

/** One call of the session. */
export interface Part {
  readonly readings: number;
  readonly bytes: number;
  /** As it would be kept if the hub refuses it. */
  readonly message: HubMessage;
  send(session: HubSession): Promise<void>;
}

export interface Translator {
  /** Blocks may come as they are stored. */
  readonly compressed: boolean;
  /** Largest batch it asks the outbox for. */
  readonly maxBodyBytes: number;
  translate(batch: OutboxBatch): Translated;
}

/** Batches go as they are: every event, as CloudEvents, as many as fit. */
export function unchanged(gateway: string, maxBodyBytes: number, compressed: boolean): Translator {
  return {
    compressed,
    maxBodyBytes,
    translate(batch) {
      const message = batchMessage(gateway, batch);
      return {
        mark: undefined,
        parts: [{ readings: batch.readings, bytes: batch.body.byteLength, message, send: (session) => session.send(message) }],
      };
    },
  };
}

/** As large as the outbox makes them by itself; what leaves is cut to the hub's size by the encoder. */
const sourceBytes = 190_000;

export interface TranslatorOptions {
  readonly gateway: string;
  readonly select: Select | undefined;
  /** Undefined where the session takes whole events. */
  readonly encoder: Encoder | undefined;
  readonly grain: Grain;
  readonly maxBodyBytes: number;
  /** Of the cursor, at the moment from which batches come. */
  readonly mark: string | undefined;
}

/** Batches are taken apart, selected from, and put into the form that the destination wants. */
export function translating(options: TranslatorOptions): Translator {
  const { select, encoder, grain, maxBodyBytes, gateway } = options;
  let last = options.mark;
  return {
    compressed: false,
    maxBodyBytes: sourceBytes,
    translate(batch) {
      const events = eventsOf(batch);
      const chosen: HubEvent[] = [];
      for (const event of events) {
        const part = select ? select(event) : event;
        if (part === undefined) continue;
        chosen.push(select && last !== undefined ? { ...part, previous: last } : part);
        last = event.sequence;
      }
      const mark = select ? last : undefined;
      if (chosen.length === 0) return { parts: [], mark };
      if (!encoder) return { mark, parts: [wholeEvents(gateway, batch, chosen)] };
      const encoded = encoder.encode(chosen, { grain, maxBodyBytes });
      return {
        mark,
        parts: encoded.map(({ readings, ...rest }): Part => {
          const message: HubMessage = { ...rest, contentEncoding: 'utf-8' };
          return { readings, bytes: rest.body.byteLength, message, send: (session) => session.send(message) };
        }),
      };
    },
  };
}

function eventsOf(batch: OutboxBatch): readonly HubEvent[] {
  const parsed = JSON.parse(Buffer.from(batch.body.buffer, batch.body.byteOffset, batch.body.byteLength).toString('utf8')) as
    | HubEvent
    | HubEvent[];
  return Array.isArray(parsed) ? parsed : [parsed];
}

function wholeEvents(gateway: string, batch: OutboxBatch, events: readonly HubEvent[]): Part {
  return {
    readings: events.reduce((sum, event) => sum + (event.type === 'dragoman.telemetry.v1' ? event.data.readings.length : 0), 0),
    bytes: batch.body.byteLength,
    message: batchMessage(gateway, batch),
    send: (session) => session.sendEvents!(events),
  };
}

function batchMessage(gateway: string, batch: OutboxBatch): HubMessage {
  return {
    id: `${gateway}-${batch.firstSequence}-${batch.lastSequence}`,
    body: batch.body,
    contentType: 'application/json',
    contentEncoding: batch.encoding,
    createdMs: batch.fromMs,
  };
}

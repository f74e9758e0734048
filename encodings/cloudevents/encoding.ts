import { z } from 'zod';
import type { HubEvent, TelemetryEvent } from '../../model/telemetry.ts';
import type { Encoder, Encoding, EncodingContext } from '../contract.ts';
import { pack } from '../packing/pack.ts';
import { type Form, type Frame, type Part, partId, type Section, uncut } from '../packing/section.ts';
import { isTelemetry, subjectOf } from '../subject.ts';

const settings = z.strictObject({
  contentType: z
    .enum(['json', 'cloudevents'])
    .default('json')
    .describe(
      'json: application/json, which routing by body needs at Azure IoT Hub; cloudevents: application/cloudevents+json and application/cloudevents-batch+json',
    ),
});
export type CloudEventsSettings = z.output<typeof settings>;

/** CloudEvents 1.0 in JSON (structured mode; several events as a batch): everything that left the outbox, as it left it. */
export const cloudevents: Encoding<CloudEventsSettings> = {
  name: 'cloudevents',
  summary: 'CloudEvents 1.0 in JSON, one event a batch of readings of one machine',
  drops: [],
  settings,
  open: (chosen, context) => cloudEventsEncoder(chosen, context),
};

function cloudEventsEncoder({ contentType }: CloudEventsSettings, context: EncodingContext): Encoder {
  const form: Form = {
    open: (_id, sections) => (sections > 1 ? '[' : ''),
    close: (sections) => (sections > 1 ? ']' : ''),
    between: ',',
    retains: true,
    contentType: (sections) =>
      contentType === 'json' ? 'application/json' : `application/cloudevents${sections > 1 ? '-batch' : ''}+json`,
  };
  return {
    encode: (events, options) =>
      pack(
        events.map((event) => section(event, context)),
        form,
        options,
      ),
  };
}

function section(event: HubEvent, context: EncodingContext): Section {
  const about = subjectOf(event, context);
  if (isTelemetry(event)) return new EventSection(event, about);
  return uncut(event, about, JSON.stringify(event));
}

/** `,"part":N,"parts":N` and the end of an id. */
const partBytes = 60;
/** Ends of an envelope without and with its readings. */
const emptyEnd = '[]}}';
const tail = ']}}';

class EventSection implements Section {
  readonly event: TelemetryEvent;
  readonly about: Section['about'];
  readonly readings: TelemetryEvent['data']['readings'];
  readonly separator = ',';
  readonly frameBytes: number;
  readonly #head: string;

  constructor(event: TelemetryEvent, about: Section['about']) {
    this.event = event;
    this.about = about;
    this.readings = event.data.readings;
    this.#head = this.#headOf({});
    this.frameBytes = Buffer.byteLength(this.#head) + tail.length + partBytes;
  }

  joined(): string {
    return JSON.stringify(this.readings).slice(1, -1);
  }

  pieces(): readonly string[] {
    return this.readings.map((reading) => JSON.stringify(reading));
  }

  /** A part of an event is an event: its own id (the key to find duplicates by), the same sequence, and which part of how many it is. */
  frame({ index, of }: Part): Frame {
    return { head: of === 1 ? this.#head : this.#headOf({ id: partId(this.event.id, index), part: index, parts: of }), tail };
  }

  #headOf(extra: { readonly id?: string; readonly part?: number; readonly parts?: number }): string {
    const { data, ...attributes } = this.event;
    const { readings: _, ...about } = data;
    return JSON.stringify({ ...attributes, ...extra, data: { ...about, readings: [] } }).slice(0, -emptyEnd.length + 1);
  }
}

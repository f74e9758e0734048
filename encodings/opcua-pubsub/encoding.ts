import type { GapEvent, HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { EncodedMessage, EncodeOptions, Encoder, Encoding, EncodingContext } from '../contract.ts';
import { pack } from '../packing/pack.ts';
import type { Form, Section } from '../packing/section.ts';
import { plantIndex } from '../plant-index.ts';
import { isGap, isTelemetry, subjectOf } from '../subject.ts';
import { dataValueJson, valueJson } from './field.ts';
import { type PubSubSettings, pubSubForm } from './form.ts';
import { metaDataMessage } from './metadata.ts';
import { DataSetWriter, WriterIds } from './writer.ts';

/** OPC UA PubSub in JSON (Part 14 §7.2.5), in the form that OPC Publisher emits: NetworkMessages of delta frames. */
export const opcuaPubsub: Encoding<PubSubSettings> = {
  ...pubSubForm,
  summary: 'OPC UA PubSub (Part 14) in JSON, with metadata',
  drops: [
    'Reasons, lastGood, and the numbers by which a consumer sees that an event is missing: SequenceNumber counts the messages of one session and one writer',
    'The path of the machine, unless a topic says it; priority',
    'With raw: status and quality, gateway times, and readings without a value',
    'Numeric codes of statuses that only the library of the machine names: Code has their severity, Symbol the name',
    'The difference between decimals and text: a field of decimals is a String',
    'A description that is larger than a message: first its properties and texts, then all of it',
  ],
  open: (chosen, context) => new PubSubEncoder(chosen, context),
};

/** What a loss looks like: an event of the data set MACHINE/gap. */
const gapFields: readonly {
  readonly name: string;
  readonly key: keyof GapEvent['data'];
  readonly type: 'datetime' | 'uint32' | 'string' | 'uint64';
}[] = [
  { name: 'From', key: 'from', type: 'datetime' },
  { name: 'To', key: 'to', type: 'datetime' },
  { name: 'Readings', key: 'readings', type: 'uint32' },
  { name: 'Reason', key: 'reason', type: 'string' },
  { name: 'Point', key: 'point', type: 'string' },
  { name: 'FirstSequence', key: 'firstSequence', type: 'uint64' },
  { name: 'LastSequence', key: 'lastSequence', type: 'uint64' },
];

class PubSubEncoder implements Encoder {
  readonly #chosen: PubSubSettings;
  readonly #context: EncodingContext;
  readonly #plant: ReturnType<typeof plantIndex>;
  readonly #ids = new WriterIds();
  readonly #writers = new Map<string, DataSetWriter>();
  readonly #form: Form;
  readonly #publisherId: string;

  constructor(chosen: PubSubSettings, context: EncodingContext) {
    this.#chosen = chosen;
    this.#context = context;
    this.#plant = plantIndex(context.plant);
    this.#publisherId = chosen.publisherId ?? context.gateway;
    const about = `"MessageType":"ua-data","PublisherId":${JSON.stringify(this.#publisherId)},"WriterGroupName":${JSON.stringify(chosen.writerGroupName)}`;
    const contentType = chosen.contentType === 'json' ? 'application/json' : 'application/x-network-message-json-v1';
    this.#form = {
      open: (id) => `{"MessageId":${JSON.stringify(id)},${about},"Messages":[`,
      close: () => ']}',
      between: ',',
      contentType: () => contentType,
      retains: !chosen.raw,
    };
  }

  encode(events: readonly HubEvent[], options: EncodeOptions): readonly EncodedMessage[] {
    const written = events.filter((event) => isTelemetry(event) || isGap(event)).map((event) => ({ event, readings: readingsOf(event) }));
    // All fields of all data first, so that a writer describes itself once and not from event to event.
    const used = new Map<DataSetWriter, HubEvent>();
    for (const { event, readings } of written) this.#admit(event, readings, used);
    const changed = [...used].filter(([writer, event]) => writer.renew(Date.parse(event.time)));
    const metadata = this.#chosen.metadata ? changed.flatMap(([writer, event]) => this.#describe(writer, event, options)) : [];
    const sections = written.flatMap(({ event, readings }) => [...this.#sections(event, readings)]);
    return [...metadata, ...pack(sections, this.#form, options)];
  }

  #admit(event: HubEvent, readings: readonly TelemetryReading[], used: Map<DataSetWriter, HubEvent>): void {
    const writer = this.#writerOf(event);
    const ofMachine = isTelemetry(event);
    writer.follow(ofMachine ? this.#plant.machine(event.data.equipment) : undefined, ofMachine ? this.#plant.version : 0);
    for (const reading of readings) {
      writer.admit(reading, ofMachine ? this.#plant.point(event.data.equipment, reading.point) : undefined);
    }
    if (!used.has(writer)) used.set(writer, event);
  }

  #writerOf(event: HubEvent): DataSetWriter {
    const equipment = isTelemetry(event) ? event.data.equipment : (event.data.equipment ?? this.#context.gateway);
    const message = isTelemetry(event) ? event.data.message : 'gap';
    const name = message === undefined ? equipment : `${equipment}/${message}`;
    const key = isTelemetry(event) ? name : `gap ${name}`;
    const known = this.#writers.get(key);
    if (known) return known;
    const writer = new DataSetWriter(this.#ids.of(name), name, equipment, message === undefined);
    this.#writers.set(key, writer);
    return writer;
  }

  #describe(writer: DataSetWriter, event: HubEvent, options: EncodeOptions): readonly EncodedMessage[] {
    const id = `${event.id}/metadata/${writer.id}`;
    const head = {
      messageId: id,
      publisherId: this.#publisherId,
      writerGroupName: this.#chosen.writerGroupName,
      timestamp: event.time,
    };
    const bodies = [false, true].map((brief) => () => Buffer.from(metaDataMessage(writer, head, brief)));
    for (const make of bodies) {
      const body = make();
      if (body.byteLength > options.maxBodyBytes) continue;
      const { equipment, path, priority } = subjectOf(event, this.#context);
      const about = { equipment, path, message: 'metadata', priority };
      return [{ id, body, contentType: this.#form.contentType(1), readings: 0, createdMs: Date.parse(event.time), about, retain: true }];
    }
    return [];
  }

  /** DataSetMessages: a field stands once in each, and raw values have the time of their message. */
  *#sections(event: HubEvent, readings: readonly TelemetryReading[]): Generator<Section> {
    const { raw } = this.#chosen;
    const used = raw ? readings.filter(({ value }) => value !== undefined) : readings;
    let points = new Set<string>();
    let from = 0;
    for (const [i, { point, time }] of used.entries()) {
      if (points.has(point) || (raw && time !== used[from]?.time)) {
        yield this.#section(event, used.slice(from, i));
        points = new Set();
        from = i;
      }
      points.add(point);
    }
    if (from < used.length) yield this.#section(event, from === 0 ? used : used.slice(from));
  }

  #section(event: HubEvent, readings: readonly TelemetryReading[]): Section {
    const { raw } = this.#chosen;
    const gap = !isTelemetry(event);
    const writer = this.#writerOf(event);
    const about = subjectOf(event, this.#context);
    const { fields, version } = writer;
    const pieces = (): string[] =>
      readings.map((reading) => {
        const field = fields.get(reading.point)!;
        return field.key + (raw || gap ? valueJson(reading.value!, reading.type, field) : dataValueJson(reading, field));
      });
    const before = `{"DataSetWriterId":${writer.id},"DataSetWriterName":${JSON.stringify(writer.name)},"SequenceNumber":`;
    const after = `,"MetaDataVersion":${JSON.stringify(version)},"Timestamp":"${raw ? readings[0]!.time : event.time}","MessageType":"${gap ? 'ua-event' : 'ua-deltaframe'}","Payload":{`;
    const frameBytes = Buffer.byteLength(before) + after.length + 10 + 2;
    const frame = (): { head: string; tail: string } => ({ head: before + writer.nextSequenceNumber() + after, tail: '}}' });
    if (!gap) return { event, about, readings, separator: ',', frameBytes, joined: () => pieces().join(','), pieces, frame };
    const payload = pieces().join(',');
    const frameOfGap = (): { head: string; tail: string } => ({ head: frame().head + payload, tail: '}}' });
    return {
      event,
      about,
      readings: [],
      separator: '',
      frameBytes: frameBytes + Buffer.byteLength(payload),
      joined: () => '',
      pieces: () => [],
      frame: frameOfGap,
    };
  }
}

function readingsOf(event: HubEvent): readonly TelemetryReading[] {
  return isTelemetry(event) ? event.data.readings : gapReadings(event);
}

function gapReadings({ data, time }: GapEvent): readonly TelemetryReading[] {
  return gapFields.flatMap(({ name, key, type }) => {
    const value = data[key];
    return value === undefined ? [] : [{ point: name, value, type, time }];
  });
}

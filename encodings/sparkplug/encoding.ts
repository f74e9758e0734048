import type { GapEvent, TelemetryEvent } from '../../model/telemetry.ts';
import type { Encoder, Encoding, EncodingContext, MessageSubject } from '../contract.ts';
import { sectionsOf } from '../packing/by-kind.ts';
import { pack } from '../packing/pack.ts';
import { type Form, joinChunks, type Section, uncut } from '../packing/section.ts';
import { plantIndex } from '../plant-index.ts';
import { gapSubject, telemetrySubject } from '../subject.ts';
import { datatypes } from './datatype.ts';
import { encodeMetric, encodePayload } from './encode.ts';
import { type SparkplugSettings, sparkplugForm } from './form.ts';
import type { Metric } from './message.ts';
import { datatypeOf, metricOf } from './metric.ts';

/**
 * Payloads of Sparkplug B by themselves: every metric with name, datatype and its own time. No births, no deaths, no sequence numbers,
 * no aliases: a Sparkplug host application wants the hub of kind `mqtt` in its Sparkplug form instead.
 */
export const sparkplugB: Encoding<SparkplugSettings> = {
  ...sparkplugForm,
  summary: 'Sparkplug B payloads (protobuf), for consumers that decode them without a session',
  drops: [
    'The session of Sparkplug: no births, deaths, sequence numbers or aliases; a host application needs a hub that speaks Sparkplug',
    'Times finer than a millisecond and before 1970, gateway time, lastGood and numeric status codes',
    'The difference between stale and otherwise uncertain: both have Quality 500; the property Status has the name',
    'Digits of decimals beyond a double; a value that does not fit the datatype of its point arrives as null with Status BadTypeMismatch',
    'Names of messages and their priority; of events their id and sequence, by which a consumer sees that something is missing',
  ],
  open: (chosen, context) => sparkplugEncoder(chosen, context),
};

function sparkplugEncoder(chosen: SparkplugSettings, context: EncodingContext): Encoder {
  const form: Form = { open: () => '', close: () => '', between: '', contentType: () => 'application/x-protobuf', retains: true };
  const plant = plantIndex(context.plant);
  const nameOf = ({ equipment }: MessageSubject, point: string): string => (chosen.names === 'full' ? `${equipment}/${point}` : point);

  const sectionOf = (event: TelemetryEvent): Section => {
    const about = telemetrySubject(event);
    const { readings } = event.data;
    const head = timestampOf(event);
    const pieces = (): Uint8Array[] =>
      readings.map((reading) => {
        const point = plant.point(about.equipment, reading.point);
        const datatype = datatypeOf(point, reading);
        return encodeMetric(metricOf(reading, point, { name: nameOf(about, reading.point), datatype }));
      });
    return {
      event,
      about,
      readings,
      separator: '',
      frameBytes: head.length,
      joined: () => joinChunks(pieces()),
      pieces,
      frame: () => ({ head, tail: '' }),
    };
  };
  const gapOf = (event: GapEvent): Section => {
    const about = gapSubject(event, context);
    return uncut(event, about, encodeMetric(gapMetric(event, nameOf(about, 'gap'))), timestampOf(event));
  };
  const gaps = chosen.gaps === 'metric' ? gapOf : undefined;
  return {
    encode(events, options) {
      const sections = sectionsOf(events, sectionOf, gaps);
      if (chosen.names === 'full' || options.grain !== 'batch') return pack(sections, form, options);
      return runsOfOneMachine(sections).flatMap((run) => pack(run, form, options));
    },
  };
}

/** A payload with nothing but its time. Payloads written one after the other are one payload, in which the last time holds (protobuf: last one wins). */
function timestampOf({ time }: { readonly time: string }): Uint8Array {
  return encodePayload({ timestamp: BigInt(Math.max(0, Date.parse(time))), metrics: [] });
}

function runsOfOneMachine(sections: readonly Section[]): readonly Section[][] {
  const runs: Section[][] = [];
  for (const section of sections) {
    const last = runs.at(-1);
    if (last && last[0]?.about.equipment === section.about.equipment) last.push(section);
    else runs.push([section]);
  }
  return runs;
}

/** A loss as a metric: a data set of one row. Absent texts are empty. */
export function gapMetric({ data, time }: GapEvent, name: string): Metric {
  const { String: text, Int64 } = datatypes;
  return {
    name,
    timestamp: BigInt(Math.max(0, Date.parse(time))),
    datatype: datatypes.DataSet,
    value: {
      columns: ['from', 'to', 'readings', 'reason', 'point', 'firstSequence', 'lastSequence'],
      types: [text, text, Int64, text, text, text, text],
      rows: [[data.from, data.to, BigInt(data.readings), data.reason, data.point ?? '', data.firstSequence ?? '', data.lastSequence ?? '']],
    },
  };
}

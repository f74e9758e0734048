import type { PointDraft } from '../compile/point.ts';
import type { Converted } from '../equipment.ts';
import type { AdapterLanguage, RawSample } from '../language.ts';
import { suggestion } from '../nearest.ts';
import type { ProblemList } from '../problems.ts';
import type { Sample } from '../schema.ts';
import type { YamlDocument } from '../yaml/document.ts';
import { meets, readExpectation, showExpectation } from './expectation.ts';
import { showResult, traceConversion } from './trace.ts';

/** One expectation of one sample, and what came out. */
export interface SampleResult {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly equipment: string;
  /** Name of the sample, or its number. */
  readonly sample: string;
  readonly point: string;
  readonly passed: boolean;
  readonly expected: string;
  readonly actual: string;
  /** From the given raw values over each step to what leaves. */
  readonly trace: string;
}

/** Runs the samples through the adapter's codec and the same converters as live values. A failing one is an error of the mapping. */
export function runSamples(
  file: string,
  document: YamlDocument,
  equipment: string,
  samples: readonly Sample[],
  drafts: readonly PointDraft[],
  language: AdapterLanguage,
  settings: unknown,
  problems: ProblemList,
): SampleResult[] {
  const byName = new Map(drafts.map((draft) => [draft.point.name, draft]));
  const placed = drafts.map(({ point }) => point);
  return samples.flatMap((sample, i) => {
    const name = sample.name ?? `${i + 1}`;
    const raws = language.sample(sample.given, placed, settings, (given, finding) =>
      problems.add(['samples', i, 'given', given], 'value', finding),
    );
    return Object.entries(sample.expect).flatMap(([point, written]): SampleResult[] => {
      const path = ['samples', i, 'expect', point];
      const draft = byName.get(point);
      const expectation = readExpectation(written);
      if (!draft) {
        const hint = suggestion(point, [...byName.keys()]);
        problems.add(path, 'key', { rule: 'unknown-point', message: `${point} is not a point of ${equipment}`, ...(hint && { hint }) });
        return [];
      }
      if (!expectation) {
        problems.add(path, 'value', {
          rule: 'wrong-type',
          message: `${point}: this is nothing to expect`,
          hint: 'write a value, bad, uncertain, or { value: …, quality: …, status: … }',
        });
        return [];
      }
      const result = runOne(draft, raws.get(point));
      const passed = result !== undefined && meets(expectation, written, result.out);
      const expected = showExpectation(expectation);
      const actual = result ? showResult(result.out, draft.point.unit) : 'nothing: the sample gives no value for this point';
      const trace =
        result?.trace ?? 'no raw value: nothing readable was given at its address, or when or missing: keep let nothing through';
      if (!passed) {
        const message = `sample ${name}: ${point} should be ${expected} and is ${actual}`;
        problems.add(path, 'value', { rule: 'sample-failed', message, ...(result && { hint: `because ${trace}` }) });
      }
      return [{ file, ...document.at(path, 'value'), equipment, sample: name, point, passed, expected, actual, trace }];
    });
  });
}

function runOne(
  { point, meaning, keys }: PointDraft,
  sample: RawSample | undefined,
): { readonly out: Converted; readonly trace: string } | undefined {
  if (!sample) return undefined;
  const out: Converted = { value: undefined, type: undefined, quality: 'bad', state: undefined };
  const type = sample.type ?? point.rawType;
  point.convert(sample.raw as never, type, sample.state, out);
  return { out, trace: `${sample.shown} -> ${traceConversion(sample.raw, type, meaning, keys, point.unit, out)}` };
}

import type { Connection } from '../../adapters/contract.ts';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import { machineOf } from '../../mappings/patterns.ts';
import { GatewayError } from '../../model/error.ts';
import type { Reading } from '../../model/reading.ts';
import type { SampleBatch } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { RawValue } from '../../model/value.ts';
import { onInterrupt } from '../interrupt.ts';
import { isoTime, isoTimeTicks } from '../iso-time.ts';
import { MachinesSeen } from '../machines-seen.ts';
import type { Pipeline } from '../pipeline.ts';
import { valueText } from '../reading-text.ts';
import { commandContext, quietLog, type Selected, type Selection, selectEquipment } from './selection.ts';
import { table } from './table.ts';

interface ReadResult {
  /** One, or for a pattern those that made themselves known. */
  readonly machines: readonly { readonly machine: CompiledEquipment; readonly points: readonly ReadPoint[] }[];
  readonly answered: boolean;
  readonly failure: string | undefined;
}

interface ReadPoint {
  readonly reading: Reading;
  readonly raw: RawValue | undefined;
  /** The reading as in the message, without `raw`. */
  readonly text: string;
}

/** `dragoman read`: exit code 1 when a machine did not answer at all. */
export async function read(paths: readonly string[], options: Selection): Promise<number> {
  const chosen = await selectEquipment(paths, options);
  if (!chosen) return 1;
  const signal = onInterrupt();
  const results = await Promise.all(chosen.map((one) => readOnce(one, options.data, signal)));
  const machines = results.flatMap((result) => result.machines);
  if (options.json) {
    const lines = machines.flatMap(({ machine, points }) =>
      points.map((point) => withRaw(point, machines.length > 1 ? machine.id : undefined)),
    );
    process.stdout.write(`[${lines.join(',\n')}]\n`);
  } else for (const { machine, points } of machines) print(machine, points);
  for (const { failure } of results) if (failure) process.stderr.write(`${failure}\n`);
  return results.every((result) => result.answered) ? 0 : 1;
}

async function readOnce({ equipment, adapter }: Selected, data: string, signal: AbortSignal): Promise<ReadResult> {
  const texts = new Map<Pipeline, string[]>();
  const raws = new Map<string, Map<number, RawValue | undefined>>();
  const seen = new MachinesSeen(equipment, (pipeline) => ({
    add(text, _, index) {
      const own = texts.get(pipeline()) ?? [];
      texts.set(pipeline(), own);
      own[index] = text;
    },
    settle() {},
    lost() {},
  }));
  let failure: string | undefined;
  try {
    const runtime = await adapter.load();
    await using connection: Connection = await runtime.connect(equipment.settings, commandContext(equipment, data, quietLog), signal);
    for (const batch of await connection.read(equipment.points, signal)) {
      noteRaw(batch, raws);
      seen.accept(batch);
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    seen.linkLost({ status: statuses.BadNotConnected, reason: error.message });
    failure = `${equipment.id}: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`;
  }
  const machines = seen.pipelines.map((pipeline) => {
    const { equipment: machine, points } = pipeline.states;
    const own = raws.get(machine.id) ?? raws.get('');
    return {
      machine,
      points: points.flatMap((_, index): ReadPoint[] => {
        const reading = pipeline.states.reading(index);
        return reading ? [{ reading, raw: own?.get(index), text: texts.get(pipeline)?.[index] ?? '' }] : [];
      }),
    };
  });
  // A machine that refuses single points has answered; one that answers none of them has not.
  const answered = failure === undefined && machines.some(({ points }) => points.some(({ raw }) => raw !== undefined));
  return { machines, answered, failure: failure ?? (answered ? undefined : `${equipment.id}: did not answer`) };

  function noteRaw(batch: SampleBatch, all: typeof raws): void {
    const id = equipment.captures && batch.machine ? machineOf(equipment, batch.machine).id : '';
    const own = all.get(id) ?? new Map<number, RawValue | undefined>();
    all.set(id, own);
    for (let k = 0; k < batch.points.length; k++) own.set(batch.points[k]!, batch.values[k]);
  }
}

function withRaw({ text, raw }: ReadPoint, equipment: string | undefined): string {
  const extra = `${equipment === undefined ? '' : `,"equipment":${JSON.stringify(equipment)}`}${raw === undefined ? '' : `,"raw":${rawJson(raw)}`}`;
  return `${text.slice(0, -1)}${extra}}`;
}

function rawJson(raw: RawValue): string {
  if (raw instanceof Uint8Array) return JSON.stringify(Buffer.from(raw).toString('hex'));
  // JSON has no word for what a float may be.
  if (typeof raw === 'number' && !Number.isFinite(raw)) return `"${raw}"`;
  return valueText(raw as Exclude<RawValue, Uint8Array>);
}

function print(equipment: CompiledEquipment, points: readonly ReadPoint[]): void {
  process.stdout.write(`${equipment.id}${equipment.path ? `  ${equipment.path}` : ''}\n`);
  if (points.length === 0) return;
  const rows = points.map(({ reading, raw }) => [
    `  ${reading.point}`,
    raw === undefined ? '-' : rawJson(raw),
    reading.value === undefined ? '-' : shown(reading.value),
    reading.unit ?? '',
    reading.quality,
    timeOf(reading),
    reading.quality === 'good' ? '' : `${reading.status}${reading.reason ? `: ${reading.reason}` : ''}`,
  ]);
  process.stdout.write(`${table(['  point', 'raw', 'value', 'unit', 'quality', 'time', ''], rows)}\n\n`);
}

/** Without the quotes that only JSON needs, and on one line: machines end their texts with line ends, or send escape sequences. */
export function shown(value: NonNullable<Reading['value']>): string {
  if (typeof value === 'string') return value.replaceAll(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
  return typeof value === 'bigint' ? String(value) : valueText(value);
}

export function timeOf(reading: Reading): string {
  return reading.sourceTicks ? isoTimeTicks(reading.sourceTimeMs, reading.sourceTicks) : isoTime(reading.sourceTimeMs);
}

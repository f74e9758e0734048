import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Connection } from '../../adapters/contract.ts';
import type { CompiledEquipment, CompiledPoint } from '../../mappings/equipment.ts';
import { GatewayError } from '../../model/error.ts';
import type { Scalar, Value } from '../../model/value.ts';
import { AuditLog } from '../audit/log.ts';
import type { WriteReport, WriteRequest, WriteTargets } from '../control/contract.ts';
import { WritePath } from '../control/write-path.ts';
import { onInterrupt } from '../interrupt.ts';
import { Pipeline, type ReadingSink } from '../pipeline.ts';
import { auditFolder } from './audit.ts';
import { shown } from './read.ts';
import { commandContext, quietLog, selectEquipment } from './selection.ts';

export interface WriteOptions {
  readonly mappings: readonly string[];
  /** Journal, audit log, master switch, certificates. */
  readonly data: string;
  readonly dryRun?: boolean;
  /** Does not ask. */
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly adapter?: readonly string[];
}

/**
 * `dragoman write EQUIPMENT POINT VALUE`, without a running gateway: connects once, asks every guard, asks the person, writes, reads back.
 * 0 when it is done (or would be, in a dry run), 1 when not, 2 when the call was wrong.
 */
export async function write(equipment: string, point: string, value: string, options: WriteOptions): Promise<number> {
  const chosen = await selectEquipment(options.mappings, {
    equipment: [equipment],
    data: options.data,
    ...(options.adapter && { adapter: options.adapter }),
  });
  const [one] = chosen ?? [];
  if (!one) return 1;
  if (one.equipment.captures) {
    process.stderr.write(`${equipment} stands for several machines, of which none can be written from here\n`);
    return 1;
  }
  if (!options.dryRun && !options.yes && !process.stdin.isTTY) {
    process.stderr.write('nobody is there to be asked; --yes writes without asking, --dry-run only looks\n');
    return 2;
  }
  const signal = onInterrupt();
  const wanted = one.equipment.points.find(({ name }) => name === point);
  const request: WriteRequest = {
    equipment,
    point,
    value: typedValue(value, wanted),
    who: `${userInfo().username}@${hostname()}`,
    from: 'command',
    key: `command-${randomUUID()}`,
  };
  await using audit = await openAudit(options.data);
  const runtime = await one.adapter.load();
  await using connection = await runtime.connect(one.equipment.settings, commandContext(one.equipment, options.data, quietLog), signal);
  const machine = new OneMachine(one.equipment, wanted, connection);
  await using path = await WritePath.open({ data: resolve(options.data), targets: machine, audit });
  await machine.look(signal);
  const tried = await path.write({ ...request, dryRun: true });
  if (options.dryRun) return tell(tried, request, wanted, options.json);
  // A refusal goes the real way, so that it stands in the audit log.
  if (tried.outcome === 'done' && !options.yes && !(await confirmed(tried, request, wanted, signal))) {
    process.stderr.write('nothing was written\n');
    return 1;
  }
  // Somebody may have thought about it for a while.
  await machine.look(signal);
  return tell(await path.write(request), request, wanted, options.json);
}

async function openAudit(data: string): Promise<AuditLog> {
  try {
    return await AuditLog.open(auditFolder(data));
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'outbox-in-use') throw error;
    throw new GatewayError(
      'data-in-use',
      `a gateway is running with the data folder ${resolve(data)}, and it alone writes to its machines`,
      {
        retry: 'after-fix',
        hint: 'Ask it: dragoman call write; or stop it; or give another folder with --data',
        cause: error,
      },
    );
  }
}

/** The one machine, with what it showed when it was looked at last. */
class OneMachine implements WriteTargets {
  readonly #equipment: CompiledEquipment;
  readonly #connection: Connection;
  /** The point itself, and those that its condition needs. */
  readonly #needed: CompiledEquipment;
  #pipeline: Pipeline;

  constructor(equipment: CompiledEquipment, wanted: CompiledPoint | undefined, connection: Connection) {
    const names = new Set([wanted?.name, ...(wanted?.write?.condition?.uses ?? [])]);
    this.#equipment = equipment;
    this.#connection = connection;
    this.#needed = { ...equipment, points: equipment.points.filter(({ name }) => names.has(name)) };
    this.#pipeline = new Pipeline(this.#needed, nowhere);
  }

  async look(signal: AbortSignal): Promise<void> {
    const pipeline = new Pipeline(this.#needed, nowhere);
    for (const batch of await this.#connection.read(this.#needed.points, signal)) pipeline.accept(batch);
    this.#pipeline = pipeline;
  }

  ids(): readonly string[] {
    return [this.#equipment.id];
  }

  find(id: string): ReturnType<WriteTargets['find']> {
    if (id !== this.#equipment.id) return undefined;
    return {
      points: this.#equipment.points,
      reading: (name) => this.#pipeline.states.reading(this.#needed.points.findIndex((one) => one.name === name)),
      withConnection: (use) => use(this.#connection),
    };
  }
}

const nowhere: ReadingSink = { add() {}, settle() {}, lost() {} };

/** What was typed, as the point takes it: text stays text, long numbers keep their digits, a list is JSON. */
export function typedValue(typed: string, point: CompiledPoint | undefined): Value {
  if (typed.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(typed);
      if (Array.isArray(list)) return list as readonly Scalar[];
    } catch {
      // Then it is a text.
    }
  }
  const { rawType, valueType } = point ?? {};
  if (valueType === 'string' || rawType === 'string' || rawType === 'bytes' || rawType === 'datetime') return typed;
  if (typed === 'true' || typed === 'false') return typed === 'true';
  if (!/^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(typed)) return typed;
  if (rawType === 'int64' || rawType === 'uint64' || rawType === 'decimal') return typed;
  return /^-?\d+$/.test(typed) && !Number.isSafeInteger(Number(typed)) ? BigInt(typed) : Number(typed);
}

async function confirmed(
  tried: WriteReport,
  request: WriteRequest,
  point: CompiledPoint | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`${change(tried, request, point)}\nWrite this to the machine? [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    asking.close();
  }
}

function change({ old, new: now }: WriteReport, { equipment, point }: WriteRequest, compiled: CompiledPoint | undefined): string {
  return `${equipment}/${point}: ${old === undefined ? 'not known' : shown(old)} -> ${shown(now)}${compiled?.unit ? ` ${compiled.unit}` : ''}`;
}

function tell(report: WriteReport, request: WriteRequest, point: CompiledPoint | undefined, json: boolean | undefined): number {
  const { outcome, guard, reason, readBack } = report;
  if (json) {
    const { equipment, point: name } = request;
    const text = JSON.stringify(
      { equipment, point: name, ...report },
      (_, value) => (typeof value === 'bigint' ? String(value) : value),
      2,
    );
    process.stdout.write(`${text}\n`);
  } else {
    process.stdout.write(`${change(report, request, point)}\n`);
    process.stdout.write(`${report.dryRun ? 'dry run: ' : ''}${outcome}${guard ? ` (${guard})` : ''}: ${reason}\n`);
    if (readBack !== undefined && outcome !== 'done') process.stdout.write(`the machine shows ${shown(readBack)}\n`);
  }
  return outcome === 'done' ? 0 : 1;
}

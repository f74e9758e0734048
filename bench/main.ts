/**
 * usage: node bench/main.ts [ROW…] [--quick] [--repeats N] [--json FILE]
 *
 * Runs the rows named (default: all), prints a table and writes JSON (default: bench/results/latest.json).
 * Exit code 1 when a row could not run or a bar was missed, 0 otherwise; `no verdict` is not a miss.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildInto } from './harness/compiled.ts';
import { describeMachine } from './harness/machine.ts';
import { formatRow, type RowResult } from './harness/report.ts';
import { bench, scratch } from './harness/tools.ts';
import { rows } from './rows/index.ts';
import type { RunOptions } from './rows/row.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    repeats: { type: 'string' },
    json: { type: 'string', default: join(bench, 'results', 'latest.json') },
    list: { type: 'boolean', default: false },
  },
});

const unknown = positionals.filter((name) => !rows.some((row) => row.name === name));
const repeats = Number(flags.repeats ?? (flags.quick ? 1 : 3));
if (unknown.length > 0 || !Number.isInteger(repeats) || repeats < 1 || flags.list) {
  const help = rows.map((row) => `  ${row.name.padEnd(16)} ${row.title}`).join('\n');
  console.log(`${unknown.length > 0 ? `no row ${unknown.join(', ')}\n` : ''}rows:\n${help}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

using folder = scratch();
let built: string | undefined;
const options: RunOptions = {
  quick: flags.quick,
  repeats,
  progress: (text) => process.stderr.write(`  … ${text}\n`),
  compiled() {
    built ??= buildInto(folder.path);
    return built;
  },
};

const machine = describeMachine();
const startedAt = new Date().toISOString();
console.log(
  Object.entries(machine)
    .map(([name, value]) => `${name} ${value}`)
    .join(', '),
);
if (flags.quick) console.log('--quick: small and short, for looking whether it works; its figures mean little');
if (repeats < 3) console.log(`${repeats} repeat(s): a verdict wants at least 3`);

const results: RowResult[] = [];
const broken: { row: string; error: string }[] = [];
for (const row of rows.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  process.stderr.write(`${row.name}\n`);
  try {
    const result = await row.run(options);
    results.push(result);
    console.log(formatRow(result));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    broken.push({ row: row.name, error: text });
    console.log(`\n${row.name}: could not run: ${text}`);
  }
  mkdirSync(dirname(flags.json), { recursive: true });
  writeFileSync(flags.json, `${JSON.stringify({ startedAt, quick: flags.quick, repeats, machine, results, broken }, undefined, 1)}\n`);
}

const missed = results.flatMap(({ bars }) => bars).filter(({ holds }) => holds === false);
process.exitCode = broken.length > 0 || missed.length > 0 ? 1 : 0;

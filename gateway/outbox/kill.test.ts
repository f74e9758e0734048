import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { openOutbox } from './outbox.ts';
import { drain, settings, unexplained } from './testing/support.ts';

const writer = fileURLToPath(new URL('./testing/kill-writer.ts', import.meta.url));
const kills = Number(process.env.DRAGOMAN_KILLS ?? 20);

interface Promised {
  readonly sequence: number;
  readonly n: string;
}

function lines(output: string, sign: '+' | '-'): Promised[] {
  // The last line may be half.
  return output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line.startsWith(sign))
    .map((line) => ({ sequence: Number(line.slice(1, line.indexOf(' '))), n: line.slice(line.indexOf(' ') + 1) }));
}

test(`kill -9 at ${kills} random instants: nothing that was promised is missing, no number comes twice`, {
  timeout: 10_000 + kills * 3_000,
}, async () => {
  using folder = tempFolder();
  /** Everything that was ever promised or seen, by number. */
  const owner = new Map<number, string>();
  let [n, acknowledged] = [0, 0];
  const claim = ({ sequence, n: whose }: Promised): void => {
    expect(owner.get(sequence) ?? whose, `sequence ${sequence} came twice`).toBe(whose);
    owner.set(sequence, whose);
  };
  for (let round = 0; round < kills; round++) {
    const draining = round % 2 === 1;
    await using child = startChild(process.execPath, [writer, folder.path, String(n), draining ? 'drain' : '']);
    await child.line(/^\+/);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
    child.process.kill('SIGKILL');
    await child.exited;
    const promised = lines(child.output(), '+');
    const seen = lines(child.output(), '-');
    for (const one of [...promised, ...seen]) claim(one);
    n = Math.max(n, ...promised.map((p) => Number(p.n) + 1)) + 1_000_000;

    await using outbox = await openOutbox(settings(folder.path));
    const found = await drain(outbox);
    const numbers = found.map((e) => e.sequence);
    expect(numbers, 'in order').toEqual(numbers.toSorted((a, b) => a - b));
    for (const e of found) claim({ sequence: e.sequence, n: String(e.n ?? 'gap') });
    const here = new Set(numbers);
    const lastSeen = Math.max(acknowledged, ...seen.map((s) => s.sequence));
    const missing = promised.filter((p) => !here.has(p.sequence) && p.sequence > lastSeen);
    expect(missing, `round ${round}: promised and not there`).toEqual([]);
    expect(unexplained(found, lastSeen + 1, outbox.counters().nextSequence - 1)).toEqual([]);
    expect(outbox.counters()).toMatchObject({ pending: 0, dropped: 0 });
    acknowledged = outbox.counters().nextSequence - 1;
  }
  expect(owner.size).toBeGreaterThan(kills * 40);
});

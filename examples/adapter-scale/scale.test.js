// @ts-check
import { adapterContract, watchUntil } from 'dragoman/adapter-contract';
import { expect, test } from 'vitest';
import { adapter } from './index.js';
import { startScale } from './simulator.js';

/** A point as the gateway would hand it over. */
function point(name, at, everyMs = 50) {
  const compiled = adapter.compilePoint(
    { name, at, own: {}, settings: anywhere, everyMs, write: false, bits: false },
    (key, { message }) => {
      throw new Error(`${key}: ${message}`);
    },
  );
  return { name, ...compiled, everyMs, staleAfterMs: 3 * everyMs };
}

const anywhere = adapter.connection.parse({ host: '127.0.0.1' });

async function bench() {
  const simulator = await startScale();
  return {
    simulator,
    settings: adapter.connection.parse({ host: '127.0.0.1', port: simulator.port, timeout: '300ms' }),
    points: [point('weight', 'weight'), point('at_rest', 'stable'), point('serial', 'serial')],
    values: { weight: 12.34, at_rest: true, serial: 'B123456789' },
    refused: point('nothing', 'command X9'),
    async change() {
      simulator.scale.weight = 56.78;
      return 56.78;
    },
    cutLink: () => simulator[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => simulator[Symbol.asyncDispose](),
  };
}

adapterContract(adapter, bench);

test('a load in motion is uncertain, an overload is bad', () => {
  const points = [{ name: 'weight', address: { command: 'SI', part: 'weight' }, rawType: 'float64', everyMs: 1000 }];
  const shown = (line) => adapter.sample({ SI: line }, points, anywhere, () => {}).get('weight');
  expect(shown('S S     -12.34 g').raw).toBe(-12.34);
  expect(shown('S D      12.34 g').shown).toMatch(/in motion/);
  expect(shown('S +')).toEqual({ raw: undefined, shown: 'SI: overload: take something off the scale' });
  expect(shown('ES').shown).toMatch(/does not know/);
});

test('a place that is none comes with a hint', () => {
  const findings = [];
  adapter.compilePoint({ name: 'p', at: 'wieght', own: {}, settings: anywhere, everyMs: 1, write: false, bits: false }, (key, finding) =>
    findings.push({ key, ...finding }),
  );
  expect(findings).toMatchObject([{ key: 'at', rule: 'scale-place', hint: 'did you mean weight?' }]);
});

test('a scale that falls silent: a bad sample, then the connection is given up', async () => {
  await using machine = await bench();
  const { connect } = await adapter.load();
  const stop = new AbortController();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  await using connection = await connect(
    machine.settings,
    { equipment: 'scale-1', stateFolder: '.', log, secret: async () => '' },
    stop.signal,
  );
  let seen;
  const watching = watchUntil(connection, machine.points, stop.signal, (points) => {
    seen = new Map(points);
    machine.simulator.scale.silent = points.size === 3;
    return false;
  });
  await expect(watching).rejects.toMatchObject({
    code: 'scale-lost',
    message: expect.stringMatching(/no answer to (SI|I4) within 300 ms/),
  });
  expect([...seen.values()].some(({ good }) => !good)).toBe(true);
});

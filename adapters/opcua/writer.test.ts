import { afterAll, describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { writingContract } from '../../test/contract/writing.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { opcua } from './adapter.ts';
import { ua } from './built-in-types.ts';
import { encodeVariant } from './encode-variant.ts';
import { StatusCodes } from './library.ts';
import { type SimulatedVariable, startSimulator } from './simulator.ts';
import { connectTo } from './testcases/observer.ts';
import { pointsAt, settingsFor } from './testcases/points.ts';

const folder = tempFolder();
afterAll(() => folder[Symbol.dispose]());

const at = (id: string): string => `nsu=http://candyco/mixer;s=Mixer.${id}`;
const variables: readonly SimulatedVariable[] = [
  { id: 'Mixer.Speed', type: 'Double', value: 12.5, writable: true },
  { id: 'Mixer.Torque', type: 'Float', value: 231.7, writable: true },
  { id: 'Mixer.Batch', type: 'UInt64', value: 1n, writable: true },
  { id: 'Mixer.Level', type: 'Int16', value: 1, writable: true },
  { id: 'Mixer.On', type: 'Boolean', value: false, writable: true },
  { id: 'Mixer.Recipe', type: 'String', value: '', writable: true },
  { id: 'Mixer.Curve', type: 'Double', value: [1, 2], isArray: true, writable: true },
  { id: 'Mixer.Fixed', type: 'Double', value: 1 },
];
const start = async () =>
  startSimulator({ port: await freePort(), folder: folder.path, namespace: 'http://candyco/mixer', secure: false, variables });

writingContract(opcua, async () => {
  const simulator = await start();
  const [speed, torque, batch, level, on, recipe, curve, fixed] = pointsAt(
    {
      speed: at('Speed'),
      torque: '/Mixer/Torque',
      batch: at('Batch'),
      level: at('Level'),
      on: at('On'),
      recipe: at('Recipe'),
      curve: at('Curve'),
      fixed: at('Fixed'),
    },
    100,
  );
  return {
    settings: settingsFor(simulator.endpoint, { timeout: '500ms' }),
    writes: [
      { point: speed!, raw: 96.25 },
      { point: torque!, raw: 120.1 },
      { point: batch!, raw: 18_446_744_073_709_551_615n },
      { point: level!, raw: -40 },
      { point: on!, raw: true },
      { point: recipe!, raw: 'Grüße' },
      { point: curve!, raw: [3.5, -1, 0] },
    ],
    refused: { point: fixed!, raw: 2 },
    misfit: { point: level!, raw: 40_000 },
    taken: () => simulator.writes,
    goSilent: () => {
      simulator.onWrite = 'silence';
    },
    cutLink: async () => {
      await simulator[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: async () => {
      await simulator[Symbol.asyncDispose]();
    },
  };
});

test('what a status means', async () => {
  await using simulator = await start();
  await using connection = await connectTo(settingsFor(simulator.endpoint), folder.path);
  const [speed, fixed, missing, part] = pointsAt({
    speed: at('Speed'),
    fixed: at('Fixed'),
    missing: at('Nothing'),
    part: { at: at('Curve'), index: 1 },
  });
  const { signal } = new AbortController();
  expect(await connection.write!(fixed!, 1, signal)).toEqual({
    outcome: 'refused',
    reason: expect.stringMatching(/BadNotWritable: the server offers it read-only/),
  });
  expect(await connection.write!(missing!, 1, signal)).toMatchObject({
    outcome: 'refused',
    reason: expect.stringMatching(/BadNodeIdUnknown/),
  });
  expect(await connection.write!(part!, 1, signal)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/part of a value/) });
  for (const [status, outcome, reason] of [
    ['BadUserAccessDenied', 'refused', /may not write it/],
    ['BadTypeMismatch', 'refused', /another type/],
    ['BadOutOfRange', 'refused', /another range/],
    ['BadTimeout', 'unknown', /BadTimeout/],
    ['BadCommunicationError', 'unknown', /BadCommunicationError/],
    ['UncertainNoCommunicationLastUsableValue', 'unknown', /Uncertain/],
    ['GoodClamped', 'done', /GoodClamped/],
  ] as const) {
    simulator.onWrite = StatusCodes[status];
    expect(await connection.write!(speed!, 1, signal), status).toEqual({ outcome, reason: expect.stringMatching(reason) });
  }
  simulator.onWrite = 'answer';
  expect(await connection.write!(speed!, 2, signal)).toEqual({ outcome: 'done' });
});

describe('what a node takes', () => {
  test.for<[keyof typeof ua, RawValue, unknown]>([
    ['Boolean', true, true],
    ['SByte', -128, -128],
    ['UInt32', 4_294_967_295n, 4_294_967_295],
    ['Int64', -1, [0xffff_ffff, 0xffff_ffff]],
    ['UInt64', '18446744073709551615', [0xffff_ffff, 0xffff_ffff]],
    ['Float', 120.1, Math.fround(120.1)],
    ['Double', 5n, 5],
    ['String', 'x', 'x'],
    ['DateTime', '2026-11-24T08:00:01.250Z', new Date('2026-11-24T08:00:01.250Z')],
    ['ByteString', 'AQI=', Buffer.from([1, 2])],
    ['Guid', '12345678-1234-5678-1234-567812345678', '12345678-1234-5678-1234-567812345678'],
  ])('%s takes %s', ([type, raw, value]) => {
    expect(encodeVariant({ dataType: ua[type], isArray: false }, raw)).toEqual({ value });
  });

  test.for<[keyof typeof ua, boolean, RawValue, RegExp]>([
    ['Int16', false, 40_000, /^the node holds Int16, -32768 to 32767$/],
    ['Byte', false, -1, /0 to 255/],
    ['Int32', false, 1.5, /the nearest are 1 and 2/],
    ['Int32', false, '5', /not a whole number/],
    ['Float', false, 123_456.789, /the nearest to 123456.789 is 123456.79/],
    ['Float', false, 1e39, /at most/],
    ['Double', false, Number.NaN, /NaN is not what the node holds/],
    ['Boolean', false, 1, /1 is not what the node holds, Boolean/],
    ['String', false, 5, /5 is not what the node holds, String/],
    ['DateTime', false, 'soon', /"soon" is not/],
    ['Guid', false, 'x', /Guid/],
    ['ByteString', false, 'x', /ByteString/],
    ['NodeId', false, 'i=85', /a NodeId cannot be written/],
    ['ExtensionObject', false, 'x', /cannot be written/],
    ['Double', true, 5, /holds a list/],
    ['Double', false, [5], /holds one value/],
    ['Int16', true, [1, 1.5], /nearest are 1 and 2/],
  ])('%s (list: %s) does not take %s', ([type, isArray, raw, why]) => {
    expect(encodeVariant({ dataType: ua[type], isArray }, raw)).toEqual({ misfit: expect.stringMatching(why) });
  });
});

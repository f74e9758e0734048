import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { startModbusSimulator } from '../../adapters/modbus/simulator.ts';
import { startMqttBroker } from '../../adapters/mqtt/simulator.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { installedAdapters } from '../adapters.ts';
import { eventOrigin } from '../cloud-event.ts';
import { ConfigurationService } from '../configuration/service.ts';
import { EquipmentRunner } from '../equipment-runner.ts';
import { openLastGood } from '../last-good.ts';
import { loadMappingSet } from '../mapping-set.ts';
import { Methods } from '../methods/methods.ts';
import { planReload } from '../reload-plan.ts';
import { addShadowMethods } from './methods.ts';
import { reportedShadow } from './reported.ts';
import { ShadowService } from './service.ts';
import { modbusMapping } from './testing/mapping.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const anna = { who: 'anna', from: 'command' };
const points = {
  level: 'at: holding 1, type: uint16, scale: 0.1',
  flow: 'at: holding 3, type: float32, byteOrder: CDAB',
  run: 'at: coil 0',
};

/** An MQTT machine: one message holds it all. */
async function sensor(folder: string) {
  const broker = await startMqttBroker();
  const mapping = (speed: string, more = ''): string =>
    `equipment: cooker-1\nconnection: { adapter: mqtt, url: "mqtt://127.0.0.1:${broker.port}" }\npoints:\n  speed: { topic: m/1, at: ${speed} }\n  name: { topic: m/2, at: /name }\n${more}`;
  mkdirSync(join(folder, 'mappings'), { recursive: true });
  writeFileSync(join(folder, 'mappings', 'cooker-1.yaml'), mapping('/speed'));
  await broker.publish('m/2', '{"name":"press"}', { retain: true });
  return { broker, gateway: await start(folder), mapping };
}

/** A machine on loopback whose level moves, and what of a gateway a shadow run needs. */
async function plant(folder: string, mapping: Record<string, string> = points) {
  const machine = await startModbusSimulator();
  machine.unit().set('holding 3', 12.5, { type: 'float32', byteOrder: 'CDAB' });
  let level = 0;
  machine.behave = () => {
    machine.unit().set('holding 1', 100 + (level++ % 50));
    return 'answer';
  };
  mkdirSync(join(folder, 'mappings'), { recursive: true });
  writeFileSync(join(folder, 'mappings', 'cooker-1.yaml'), modbusMapping(mapping, machine.port));
  const gateway = await start(folder);
  return { machine, gateway, mapping: (change: Record<string, string>) => modbusMapping({ ...mapping, ...change }, machine.port) };
}

/** One life of the gateway's part. */
async function start(folder: string) {
  const mappings = [join(folder, 'mappings')];
  const lastGood = await openLastGood(join(folder, 'last-good.json'));
  const configuration = await ConfigurationService.open({
    folder: join(folder, 'configuration'),
    base: folder,
    mappings,
    adapters: installedAdapters,
    lastGood,
    log: quiet,
  });
  const load = () => loadMappingSet(mappings, installedAdapters, lastGood, configuration.managed);
  const texts: string[] = [];
  const set = await load();
  const runner = new EquipmentRunner(set.equipment[0]!, {
    origin: eventOrigin('gw', 'site', 'box'),
    adapter: installedAdapters.find(({ name }) => name === set.equipment[0]!.adapter)!,
    claim: () => true,
    events: { append: async (event) => void texts.push(event.encode(1)) },
    onRefused: () => {},
    connect: { equipment: 'cooker-1', log: quiet, stateFolder: folder, secret: async () => '' },
  });
  const host = {
    get equipment() {
      return [runner.equipment];
    },
    async reload() {
      const next = await load();
      const plan = planReload([runner.equipment], next.equipment);
      if (plan.changed.length > 0) runner.update(next.equipment[0]!);
      return { plan, problems: next.problems };
    },
    applySettings() {},
    shadow(id: string, tap: Parameters<EquipmentRunner['shadow']>[0]) {
      if (id === 'cooker-1') runner.shadow(tap);
      return id === 'cooker-1';
    },
  };
  configuration.attach(host);
  const shadows = await ShadowService.open({ folder: join(folder, 'shadow'), adapters: installedAdapters, configuration, log: quiet }, 20);
  runner.start();
  shadows.attach(host);
  return {
    host,
    shadows,
    configuration,
    runner,
    /** Readings that left. */
    sent: () => {
      runner.flush();
      return texts.join('\n');
    },
    async end() {
      await shadows[Symbol.asyncDispose]();
      await runner.stop();
    },
  };
}

const rule = { forMs: 60_000 };
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8_000, interval: 20 });

test('says which points differ, by how much and how often, from the same answers; nothing of it leaves', async () => {
  using folder = tempFolder();
  const { machine, gateway, mapping } = await plant(folder.path);
  await eventually(() => expect(gateway.sent()).toContain('"flow","value":12.5'));
  const text = mapping({
    level: 'at: holding 1, type: uint16, scale: 0.01',
    flow: 'at: holding 3, type: float32, byteOrder: ABCD',
    fresh: 'at: holding 5, type: uint16',
  });
  gateway.shadows.start({ file: 'cooker-1.yaml', text, rule }, anna);
  await eventually(() =>
    expect(gateway.shadows.report().machines[0]!.differences.every(({ compared, samples = 0 }) => compared + samples >= 5)).toBe(true),
  );
  const [report] = gateway.shadows.report().machines;
  expect(report).toMatchObject({ equipment: 'cooker-1', points: 4, compared: 3, unseen: [] });
  const [first, second, third] = report!.differences;
  expect([first, second].toSorted((a, b) => (a!.point < b!.point ? -1 : 1))).toMatchObject([
    { point: 'flow', share: 1, changes: ['byteOrder: CDAB -> ABCD'], worst: { running: '12.5', candidate: expect.any(String) } },
    { point: 'level', share: 1, factor: 0.1, max: expect.any(Number) },
  ]);
  const level = report!.differences.find(({ point }) => point === 'level')!;
  expect(Number(level.worst!.running) - Number(level.worst!.candidate)).toBeCloseTo(level.max!, 9);
  expect(third).toMatchObject({ point: 'fresh', onlyIn: 'candidate', good: third!.samples });
  // One answer for both: not a single pair of two moments.
  expect([first, second].map((one) => one!.apart ?? 0)).toEqual([0, 0]);
  expect(gateway.sent()).not.toMatch(/fresh|"level","value":1\.\d/);
  const { machines, ...rest } = gateway.shadows.report();
  expect(rest).toMatchObject({ state: 'running', file: 'cooker-1.yaml', who: 'anna', rule: 'a person decides' });
  expect(JSON.stringify(reportedShadow(gateway.shadows))).toContain('"point":"level"');
  gateway.shadows.drop(undefined, anna);
  expect(gateway.shadows.report()).toMatchObject({ state: 'dropped', machines });
  await gateway.end();
  await machine.close();
}, 20_000);

test('a change of meaning alone costs no request; the wire stays open', async () => {
  using folder = tempFolder();
  const { machine, gateway, mapping } = await plant(folder.path);
  await eventually(() => expect(gateway.sent()).toContain('"run"'));
  const { adapterCounters } = gateway.runner.state();
  gateway.shadows.start({ file: 'cooker-1.yaml', text: mapping({ level: 'at: holding 1, type: uint16, scale: 0.2' }), rule }, anna);
  await eventually(() => expect(gateway.shadows.report().machines[0]!.compared).toBe(3));
  expect(gateway.shadows.report().machines[0]!.differences).toHaveLength(1);
  expect(machine.accepted).toBe(1);
  expect(gateway.runner.state().connects).toBe(1);
  expect(gateway.runner.state().adapterCounters.latePolls).toBe(adapterCounters.latePolls);
  await gateway.end();
  await machine.close();
});

test('one message gives both their value, and a point that never changes is compared too', async () => {
  using folder = tempFolder();
  const { broker, gateway, mapping } = await sensor(folder.path);
  await eventually(() => expect(gateway.sent()).toContain('"press"'));
  gateway.shadows.start({ file: 'cooker-1.yaml', text: mapping('/Speed', '  load: { topic: m/1, at: /load }\n'), rule }, anna);
  await eventually(() => expect(gateway.shadows.report().machines[0]!.compared).toBe(1));
  for (let n = 0; n < 5; n++) await broker.publish('m/1', `{"speed":${n},"Speed":${n + (n === 3 ? 1 : 0)},"load":7}`);
  await eventually(() => expect(gateway.shadows.report().machines[0]).toMatchObject({ compared: 2, unseen: [] }));
  await eventually(() => expect(gateway.sent()).toContain('"speed","value":4'));
  expect(gateway.shadows.report().machines[0]!.differences).toMatchObject([
    { point: 'speed', compared: 5, different: 1, max: 1, worst: { running: '3', candidate: '4' } },
    { point: 'load', onlyIn: 'candidate', samples: 5, good: 5 },
  ]);
  expect(gateway.shadows.report().machines[0]!.differences[0]).not.toHaveProperty('apart');
  expect(gateway.sent()).not.toContain('load');
  await gateway.end();
  await broker.close();
}, 15_000);

test('says how much the candidate would send: a wider deadband', async () => {
  using folder = tempFolder();
  const { machine, gateway, mapping } = await plant(folder.path);
  gateway.shadows.start(
    { file: 'cooker-1.yaml', text: mapping({ level: 'at: holding 1, type: uint16, scale: 0.1, deadband: 1' }), rule },
    anna,
  );
  await eventually(() => expect(gateway.shadows.report().machines[0]!.sends!.running.readings).toBeGreaterThan(14));
  const { sends, differences } = gateway.shadows.report().machines[0]!;
  expect(differences).toEqual([]);
  expect(sends!.candidate.readings).toBeLessThan(sends!.running.readings / 2);
  expect(sends!.candidate.readings).toBeGreaterThanOrEqual(4);
  expect(sends!.candidate.bytes).toBeLessThan(sends!.running.bytes);
  await gateway.end();
  await machine.close();
}, 15_000);

describe('promotion', () => {
  test('by hand: the candidate is in force, as a snapshot; the wire stays open', async () => {
    using folder = tempFolder();
    const { machine, gateway, mapping } = await plant(folder.path);
    const text = mapping({ level: 'at: holding 1, type: uint16, scale: 0.2' });
    gateway.shadows.start({ file: 'cooker-1.yaml', text, rule }, anna);
    await eventually(() => expect(gateway.shadows.report().machines[0]!.compared).toBe(3));
    const report = await gateway.shadows.promote(undefined, { ...anna, note: 'looks right' });
    expect(report).toMatchObject({ state: 'promoted', reason: 'looks right', snapshot: 1 });
    expect(gateway.configuration.store.current).toMatchObject({
      who: 'anna',
      note: 'looks right',
      plan: expect.arrayContaining(['1 point changed, 0 added, 0 connections reopened']),
    });
    await eventually(() => expect(gateway.sent()).toMatch(/"level","value":2\d/));
    expect(machine.accepted).toBe(1);
    await expect(gateway.shadows.promote(1, anna)).rejects.toThrow(/is promoted and cannot be promoted/);
    await gateway.end();
    await machine.close();
  });

  test('by rule, once nothing differed by more for the time given', async () => {
    using folder = tempFolder();
    const { machine, gateway, mapping } = await plant(folder.path);
    const text = mapping({ level: 'at: holding 1, type: uint16, scale: 0.1, offset: 0.05' });
    gateway.shadows.start(
      { file: 'cooker-1.yaml', text, rule: { forMs: 5_000, promoteAfterMs: 600, maxDifference: { level: 0.05 } } },
      anna,
    );
    expect(gateway.shadows.report()).toMatchObject({ rule: 'promote after 600ms without a difference above level 0.05, any other' });
    await eventually(() => expect(gateway.shadows.report()).toMatchObject({ state: 'promoted', snapshot: 1 }));
    expect(gateway.configuration.store.current).toMatchObject({ who: 'rule', from: 'shadow run', note: 'shadow run 1' });
    await gateway.end();
    await machine.close();
  });

  test.for<{ what: string; change: Record<string, string>; why: RegExp }>([
    {
      what: 'a difference beyond the rule',
      change: { level: 'at: holding 1, type: uint16, scale: 0.2' },
      why: /level: differed 0s ago by more than allowed/,
    },
    {
      what: 'a new point that is never good',
      change: { fresh: 'at: holding 60000, type: uint16' },
      why: /fresh: is new and never had a good value/,
    },
  ])('not by rule: $what', async ({ change, why }) => {
    using folder = tempFolder();
    const { machine, gateway, mapping } = await plant(folder.path);
    machine.unit().refuse('holding 60000', 2);
    const text = mapping(change);
    gateway.shadows.start({ file: 'cooker-1.yaml', text, rule: { forMs: 800, promoteAfterMs: 400 } }, anna);
    await eventually(() => expect(gateway.shadows.report()).toMatchObject({ state: 'failed', reason: expect.stringMatching(why) }));
    expect(gateway.configuration.store.current).toBeUndefined();
    await gateway.end();
    await machine.close();
  });

  test('not while the machine only gives errors: time without values is no evidence', async () => {
    using folder = tempFolder();
    const { machine, gateway, mapping } = await plant(folder.path);
    machine.unit().exception = 11;
    const text = mapping({ level: 'at: holding 1, type: uint16, scale: 0.2' });
    gateway.shadows.start({ file: 'cooker-1.yaml', text, rule: { forMs: 900, promoteAfterMs: 300, maxDifference: 1_000 } }, anna);
    await eventually(() =>
      expect(gateway.shadows.report()).toMatchObject({ state: 'failed', reason: expect.stringContaining('observed for 0s of 300ms') }),
    );
    await gateway.end();
    await machine.close();
  });
});

test('time over without a rule: a person decides, also later', async () => {
  using folder = tempFolder();
  const { machine, gateway, mapping } = await plant(folder.path);
  gateway.shadows.start({ file: 'cooker-1.yaml', text: mapping({ level: 'at: holding 1, type: uint16' }), rule: { forMs: 500 } }, anna);
  await eventually(() => expect(gateway.shadows.report().state).toBe('finished'));
  await gateway.end();
  const later = await start(folder.path);
  expect(later.shadows.report()).toMatchObject({ state: 'finished', machines: [{ differences: [{ point: 'level', factor: 10 }] }] });
  expect(await later.shadows.promote(1, anna)).toMatchObject({ state: 'promoted', snapshot: 1 });
  await later.end();
  await machine.close();
}, 15_000);

describe('restart', () => {
  test('goes on with what it knew', async () => {
    using folder = tempFolder();
    const { machine, gateway, mapping } = await plant(folder.path);
    gateway.shadows.start({ file: 'cooker-1.yaml', text: mapping({ level: 'at: holding 1, type: uint16' }), rule }, anna);
    const compared = (of: typeof gateway) => of.shadows.report().machines[0]!.differences[0]?.compared ?? 0;
    await eventually(() => expect(compared(gateway)).toBeGreaterThan(5));
    await gateway.end();
    const before = compared(gateway);
    const later = await start(folder.path);
    expect(compared(later)).toBeGreaterThanOrEqual(before);
    expect(later.shadows.report()).toMatchObject({ state: 'running', interruptions: 1 });
    await eventually(() => expect(compared(later)).toBeGreaterThan(before + 3));
    await later.end();
    await machine.close();
  });

  test('says that it cannot where the running mapping is another; a damaged record is passed over', async () => {
    using folder = tempFolder();
    const { machine, gateway, mapping } = await plant(folder.path);
    gateway.shadows.start({ file: 'cooker-1.yaml', text: mapping({ level: 'at: holding 1, type: uint16' }), rule }, anna);
    await gateway.end();
    writeFileSync(join(folder.path, 'mappings', 'cooker-1.yaml'), mapping({ level: 'at: holding 2, type: uint16' }));
    writeFileSync(join(folder.path, 'shadow', '000007.json'), '{"id":7,"state":');
    const later = await start(folder.path);
    expect(later.shadows.report()).toMatchObject({
      id: 1,
      state: 'failed',
      reason: 'the mapping of cooker-1 was changed while the gateway did not run',
    });
    await later.end();
    expect(readdirSync(join(folder.path, 'shadow')).toSorted()).toEqual(['000001.json', '000007.json']);
    expect(JSON.parse(readFileSync(join(folder.path, 'shadow', '000001.json'), 'utf8'))).toMatchObject({ state: 'failed' });
    await machine.close();
  });
});

test('ends when the mapping that it is compared with is changed', async () => {
  using folder = tempFolder();
  const { machine, gateway, mapping } = await plant(folder.path);
  gateway.shadows.start({ file: 'cooker-1.yaml', text: mapping({ level: 'at: holding 2, type: uint16' }), rule }, anna);
  writeFileSync(join(folder.path, 'mappings', 'cooker-1.yaml'), mapping({ level: 'at: holding 1, type: uint16, scale: 3' }));
  await gateway.host.reload();
  expect(gateway.shadows.report()).toMatchObject({ state: 'failed', reason: 'cooker-1: its mapping was changed' });
  await eventually(() => expect(gateway.sent()).toMatch(/"level","value":3\d\d/));
  await gateway.end();
  await machine.close();
});

test('the methods, and what they refuse', async () => {
  using folder = tempFolder();
  const { machine, gateway, mapping } = await plant(folder.path);
  const methods = new Methods(quiet);
  addShadowMethods(methods, gateway.shadows);
  const call = (name: string, payload?: unknown) => methods.call(name, payload, { who: 'berta', from: 'hub', requestId: '1' });
  const [file, text] = ['cooker-1.yaml', mapping({ level: 'at: holding 1, type: uint16' })];
  expect(await call('shadow.status')).toMatchObject({ status: 404 });
  expect(await call('shadow.start', { file: '../x.yaml', text })).toMatchObject({ status: 400 });
  expect(await call('shadow.start', { file, text, for: '1m', promoteAfter: '1h' })).toMatchObject({ status: 400 });
  expect(await call('shadow.start', { file, text, maxDifference: 1 })).toMatchObject({ status: 400 });
  expect(await call('shadow.start', { file, text: 'garbage' })).toMatchObject({
    status: 409,
    payload: { error: 'config-refused', details: { errors: 1 } },
  });
  expect(await call('shadow.start', { file, text: mapping({}) })).toMatchObject({ status: 409, payload: { error: 'shadow-same' } });
  expect(await call('shadow.start', { file, text: text.replace('cooker-1', 'cooker-9') })).toMatchObject({
    status: 409,
    payload: { error: 'shadow-machine' },
  });
  expect(await call('shadow.start', { file, text: text.replace('127.0.0.1', '127.0.0.2') })).toMatchObject({
    status: 409,
    payload: { error: 'shadow-connection' },
  });
  expect(await call('shadow.start', { file, text, promoteAfter: '1h', maxDifference: 0.1 })).toMatchObject({
    status: 200,
    payload: {
      id: 1,
      of: '2h',
      unmet: [expect.stringContaining('observed for 0s of 1h'), expect.stringContaining('level: was never good')],
    },
  });
  expect(await call('shadow.start', { file, text })).toMatchObject({ status: 409, payload: { error: 'shadow-twice' } });
  expect(await call('shadow.status', { all: true })).toMatchObject({ status: 200, payload: { runs: [{ id: 1, state: 'running' }] } });
  expect(await call('shadow.promote', { id: 9 })).toMatchObject({ status: 404 });
  expect(await call('shadow.drop', {})).toMatchObject({ status: 200, payload: { state: 'dropped', reason: 'by berta' } });
  expect(await call('shadow.drop', {})).toMatchObject({ status: 409 });
  await gateway.end();
  await machine.close();
});

import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SampleBatch } from '../../model/sample.ts';
import { capability, debianPython, titled } from '../../test/support/capabilities.ts';
import { type Child, startChild } from '../../test/support/child.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { point } from './testcases/points.ts';
import { eventually, watch } from './testcases/watching.ts';

const proton = capability('proton');

describe.skipIf(!proton.ok)(titled('a broker written with Qpid Proton', proton), () => {
  let broker: Child;
  let port: number;
  beforeEach(async () => {
    port = await freePort();
    broker = startChild(debianPython, [join(import.meta.dirname, 'testcases/proton_broker.py'), String(port)]);
    await broker.line(/listening/);
  });
  afterEach(() => broker[Symbol.asyncDispose]());
  const settings = (more: Record<string, unknown> = {}) => ({ host: '127.0.0.1', port, ...more });
  const count = point('count', 'types', '/count', { missing: 'keep' });

  test('sends bodies of every form; each is settled as it deserves, and not before', async () => {
    const points = [
      count,
      point('rate', 'types', '/rate', { missing: 'keep' }),
      point('third', 'types', '/2/three', { missing: 'keep' }),
      point('subject', 'types', 'property:subject', { missing: 'keep' }),
      point('shift', 'types', 'property:shift', { missing: 'keep' }),
      point('line', 'types', 'annotation:x-opt-line', { missing: 'keep' }),
    ];
    const held: SampleBatch[] = [];
    await using watching = await watch(settings(), { points, settle: (batch) => held.push(batch) });
    await watching.until((samples) => samples.some(({ point: name, value }) => name === 'line' && value === 2));
    expect(broker.output()).not.toMatch(/accepted|rejected/);
    const good = watching.samples.filter(({ status }) => status === 'Good').map(({ point: name, value }) => [name, value]);
    expect(good).toEqual([
      ['count', 18_446_744_073_709_551_615n],
      ['rate', 0.1],
      ['third', 3.5],
      ['count', 1_311_768_468_603_649_775n],
      ['count', 5],
      ['count', 6],
      ['subject', 's'],
      ['shift', 3],
      ['line', 2],
    ]);
    expect(watching.samples.at(-1)!.timeMs).toBe(1_795_507_201_250);
    for (const batch of held) batch.acknowledge?.();
    await eventually(() => (broker.output().match(/^(accepted|rejected)/gm) ?? []).length === 7);
    expect(broker.output()).toMatch(/^rejected broken amqp:decode-error .*JSON/m);
    expect(
      broker
        .output()
        .match(/^accepted (\w+)/gm)
        ?.sort(),
    ).toEqual(['binary', 'empty', 'properties', 'sequence', 'string', 'value'].map((tag) => `accepted ${tag}`));
  });

  test('never sees more under way than the credit, and gets refused messages back', async () => {
    let batches = 0;
    await using watching = await watch(settings({ credit: 100 }), {
      points: [point('count', 'json', '/count')],
      settle: (batch) => (batches++ === 0 ? batch.refuse?.('full') : batch.acknowledge?.()),
    });
    await watching.until((samples) => samples.length > 2_000);
    await eventually(() => /released/.test(broker.output()));
    for (const line of broker.output().match(/^credit \d+/gm) ?? []) expect(Number(line.slice(7))).toBeLessThanOrEqual(100);
  });

  test('that refuses an address says why, and feeds the others', async () => {
    await using watching = await watch(settings(), { points: [count, point('lost', 'refused', '/x')] });
    await watching.until(
      (samples) => samples.some(({ point: name }) => name === 'lost') && samples.some(({ point: name }) => name === 'count'),
    );
    expect(watching.samples.find(({ point: name }) => name === 'lost')).toMatchObject({
      status: 'BadUserAccessDenied',
      reason: expect.stringMatching(/refuses refused: amqp:unauthorized-access, you may not read refused/),
    });
  });

  test('hears of durable subscriptions and selectors, under a name that stays', async () => {
    using folder = tempFolder();
    const attaches = (): string[] => broker.output().match(/^attach .*/gm) ?? [];
    for (let n = 1; n <= 2; n++) {
      await using watching = await watch(settings({ durable: true, selector: "kind = 'status'" }), {
        points: [count],
        stateFolder: folder.path,
      });
      await watching.until((samples) => samples.length > 0);
      expect(attaches()).toHaveLength(n);
    }
    expect(attaches()[0]).toBe('attach types durable 2 name dragoman types');
    expect(attaches()[1]).toBe(attaches()[0]);
    expect(broker.output()).toMatch(/filter .*selector-filter.*kind = 'status'/);
    const ids = broker.output().match(/^connection dragoman-\S+/gm);
    expect(new Set(ids).size).toBe(1);
    // A durable subscription is left, not ended.
    expect(broker.output()).not.toMatch(/^detach/m);
  });

  test('that is killed ends the observation', async () => {
    await using watching = await watch(settings(), { points: [count] });
    await watching.until((samples) => samples.length > 0);
    broker.process.kill('SIGKILL');
    expect(await watching.ended).toMatchObject({ name: 'NotConnectedError' });
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { type BareHub, startBareHub } from '../service/testcases/bare-hub.ts';
import { addEdge, image, imageOf, layer, manifest } from './testcases/fleet.ts';

const devices = 1_000;
const configurations = 20;
/** Of this thread's time, so that other work of the machine does not count. It takes about a fifth. */
const barMs = 1_000;

let hub: BareHub;
const stack = new AsyncDisposableStack();
const idOf = (n: number): string => `gw-${String(n).padStart(4, '0')}`;

beforeAll(async () => {
  hub = stack.use(await startBareHub(stack.use(tempFolder()).path));
  await Promise.all(Array.from({ length: devices }, (_, n) => addEdge(hub.core, idOf(n), { site: `site-${n % 10}`, line: n % 100 })));
  for (let n = 0; n < configurations; n++) {
    const whole = n % 2 === 0;
    const content = whole ? manifest(String(n)) : layer({ [`properties.desired.modules.extra${n}`]: image(`extra:${n}`) });
    const targetCondition = `tags.site = 'site-${(n >> 1) % 10}'`;
    await hub.core.deployments.create(`c-${n}`, { content, targetCondition, priority: whole ? 1 : 2 });
  }
  await hub.core.deployments.settled();
}, 60_000);
afterAll(() => stack.disposeAsync());

function spentMs(start: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(start);
  return (user + system) / 1_000;
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = process.threadCpuUsage();
  await work();
  await hub.core.deployments.settled();
  return spentMs(start);
};

test(`${devices} devices and ${configurations} configurations are looked at in well under a second, and nothing is rewritten`, async () => {
  expect([imageOf(hub.core, idOf(3)), imageOf(hub.core, idOf(3), 'extra7')]).toEqual(['candyco/filter:6', 'extra:7']);
  const versions = () => Array.from({ length: devices }, (_, n) => hub.core.twinStore.load(`${idOf(n)}/$edgeAgent`).desired.version);
  const before = versions();
  await hub.core.deployments.update('c-0', { labels: { note: 'x' } }, '*');
  const tookMs = await timed(async () => {});
  expect(versions()).toEqual(before);
  expect(tookMs).toBeLessThan(barMs);
});

test('a tag of one device costs one device', async () => {
  const tookMs = await timed(() => hub.core.twins.patch({ deviceId: idOf(3) }, { tags: { site: 'site-4' } }));
  expect(imageOf(hub.core, idOf(3))).toBe('candyco/filter:8');
  expect(tookMs).toBeLessThan(barMs / 4);
});

test('all figures of all configurations are counted in one go', async () => {
  const start = process.threadCpuUsage();
  const all = hub.core.deployments.list();
  const tookMs = spentMs(start);
  expect(all.map(({ systemMetrics }) => systemMetrics.results.targetedCount)).toContain(99);
  expect(tookMs).toBeLessThan(barMs);
});

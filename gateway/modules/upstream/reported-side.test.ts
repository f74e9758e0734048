import { afterEach, expect, test } from 'vitest';
import type { HubControl } from '../../../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import { mergePatch } from '../../../twin/patch.ts';
import type { TwinObject } from '../../../twin/section.ts';
import { listLog } from '../../twin/testing/support.ts';
import { ReportedSide } from './reported-side.ts';

/** The reported properties of one identity at a hub that does as it is told. */
class Hub {
  reported: TwinObject = { old: { kept: 1, gone: 2 } };
  readonly patches: TwinObject[] = [];
  /** What becomes of the next patch. */
  fate: 'taken' | 'taken, answer lost' | 'lost' | 'refused' = 'taken';
  readonly control = {
    twin: async () => ({ desired: { $version: 1 }, reported: { ...this.reported, $version: 1 } }),
    report: async (patch: TwinObject) => {
      const { fate } = this;
      this.fate = 'taken';
      this.patches.push(patch);
      if (fate === 'refused') throw new GatewayError('hub-twin-refused', 'too deep', { retry: 'never' });
      if (fate !== 'lost') this.reported = mergePatch(this.reported, patch);
      if (fate !== 'taken') throw new NotConnectedError('hub-no-answer', 'no answer', { retry: 'with-backoff' });
      return 2;
    },
  } as unknown as HubControl;
}

let ended: AbortController;
const opened = (hub: Hub) => {
  ended = new AbortController();
  const log = listLog();
  const side = new ReportedSide({ name: '$edgeAgent', log, patchEveryMs: 1 });
  return { side, log, attach: () => side.attach(hub.control, hub.reported, ended.signal) };
};
afterEach(() => ended.abort());

test('what the hub has stays until the first report, which is all there is', async () => {
  const hub = new Hub();
  const { side, attach } = opened(hub);
  attach();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(hub.patches).toEqual([]);
  side.report({ old: { kept: 1 }, n: 1 });
  await expect.poll(() => hub.reported).toEqual({ old: { kept: 1 }, n: 1 });
  expect(hub.patches).toEqual([{ old: { gone: null }, n: 1 }]);
});

test('what was reported before the hub was met is one patch', async () => {
  const hub = new Hub();
  const { side, attach } = opened(hub);
  for (let n = 1; n <= 3; n++) side.report({ n, [`only${n}`]: true });
  attach();
  await expect.poll(() => hub.reported).toEqual({ n: 3, only3: true });
  expect(hub.patches).toHaveLength(1);
});

test.for(['taken, answer lost', 'lost'] as const)('a patch that was %s leaves nothing behind', async (fate) => {
  const hub = new Hub();
  const { side, attach } = opened(hub);
  attach();
  hub.fate = fate;
  side.report({ n: 1 });
  await expect.poll(() => hub.patches.length).toBeGreaterThan(0);
  side.report({ n: 2 });
  await expect.poll(() => hub.reported, { timeout: 5_000 }).toEqual({ n: 2 });
});

test('over the next session goes what the last one did not bring', async () => {
  const hub = new Hub();
  const { side, attach } = opened(hub);
  attach();
  ended.abort();
  side.report({ n: 1 });
  side.report({ n: 2 });
  ended = new AbortController();
  side.attach(hub.control, hub.reported, ended.signal);
  await expect.poll(() => hub.reported.n).toBe(2);
  expect(hub.patches).toEqual([{ n: 2, old: null }]);
});

test('a section that no hub takes is said once; the others arrive', async () => {
  const hub = new Hub();
  const { side, log, attach } = opened(hub);
  attach();
  side.report({ 'bad.key': 1, good: 1 });
  await expect.poll(() => hub.reported.good).toBe(1);
  expect(log.lines.map(({ level, section }) => ({ level, section }))).toEqual([{ level: 'warn', section: 'bad.key' }]);
});

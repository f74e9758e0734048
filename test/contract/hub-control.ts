import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CloudMessage, HubClientKind, HubContext, HubControl, HubSession, MethodCall, TwinObject } from '../../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { tempFolder } from '../support/temp.ts';
import { hubContext, hubMessage } from './hub-client.ts';

/** A hub on loopback with a way back, and what its operator does there. */
export interface ControlBench<Settings> extends AsyncDisposable {
  readonly settings: Settings;
  /** The same with credentials that are renewed at least once within three seconds; absent where nothing is renewed. */
  readonly shortLived?: Settings;
  /** Merges a patch into the desired properties. */
  desire(patch: TwinObject): unknown;
  /** The reported properties as the hub has them, without `$version` and the like. */
  reported(): TwinObject | Promise<TwinObject>;
  /** Calls a method and waits for its answer. */
  call(name: string, payload?: unknown): Promise<{ readonly status: number; readonly payload: unknown }>;
  /** Sends a cloud-to-device message. */
  command(id: string, body: string): unknown;
  /** Every connection is cut and no new one accepted. */
  cut(): unknown;
}

const behaviours = [
  'gives the twin with the versions of both sections',
  'reports patches in the order of the calls; the version rises with each',
  'refuses a patch that the hub never takes, and goes on',
  'gives desired patches in order, each once, after the twin',
  'answers methods: with the result, with 500 when the handler throws; no payload is null',
  'takes a message when its handler is through, and is offered it again when the handler refused',
  'keeps everything over a renewal of its credentials',
  'sends telemetry while all of this goes on',
  'rejects what waits for an answer when the link goes',
] as const;
export type ControlBehaviour = (typeof behaviours)[number];

const device = 'gw-test-1';

/**
 * What every hub client with `control` must do. `files` are the secrets that the settings name, for the device `gw-test-1`; `skips` leaves a
 * behaviour out by name, with the reason that the title then shows.
 */
export function hubControlContract<Settings>(
  title: string,
  kind: HubClientKind<Settings>,
  start: () => Promise<{ readonly bench: ControlBench<Settings>; readonly files: Readonly<Record<string, string>> }>,
  skips: Partial<Record<ControlBehaviour, string>> = {},
): void {
  describe(`hub control contract: ${title}`, () => {
    let bench: ControlBench<Settings>;
    let context: HubContext;
    let folder: ReturnType<typeof tempFolder>;
    let stop: AbortController;
    let sessions: HubSession[];

    beforeEach(async () => {
      folder = tempFolder();
      stop = new AbortController();
      sessions = [];
      const started = await start();
      bench = started.bench;
      context = hubContext(folder.path, started.files, device);
    }, 30_000);
    afterEach(async () => {
      stop.abort();
      for (const session of sessions) await session[Symbol.asyncDispose]();
      // Undefined when the bench could not even start.
      await (bench as typeof bench | undefined)?.[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    const connect = async (settings = bench.settings): Promise<HubSession & { readonly control: HubControl }> => {
      const session = await (await kind.load()).connect(settings, context, stop.signal);
      sessions.push(session);
      if (!session.control) throw new Error('this session has no way back');
      return session as HubSession & { readonly control: HubControl };
    };
    const behaviour = (name: ControlBehaviour, run: () => Promise<void>): void => {
      const skipped = skips[name];
      test.skipIf(skipped !== undefined)(skipped === undefined ? name : `${name} [skipped: ${skipped}]`, { timeout: 15_000 }, run);
    };
    const noted = <T>(): { readonly seen: T[]; add(one: T): void; until(check: (seen: readonly T[]) => boolean): Promise<void> } => {
      const seen: T[] = [];
      const watchers = new Set<() => void>();
      return {
        seen,
        add(one) {
          seen.push(one);
          for (const look of [...watchers]) look();
        },
        until: (check) =>
          new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`waited in vain; so far: ${JSON.stringify(seen)}`)), 8_000);
            const look = (): void => {
              if (!check(seen)) return;
              watchers.delete(look);
              clearTimeout(timer);
              resolve();
            };
            watchers.add(look);
            look();
          }),
      };
    };

    behaviour('gives the twin with the versions of both sections', async () => {
      await bench.desire({ rate: 5, deep: { a: [1, 2], b: 'ü' } });
      const { control } = await connect();
      const { desired, reported } = await control.twin();
      expect(desired).toMatchObject({ rate: 5, deep: { a: [1, 2], b: 'ü' }, $version: expect.any(Number) });
      expect(reported).toEqual({ $version: expect.any(Number) });
      expect(desired).not.toHaveProperty('$metadata');
    });

    behaviour('reports patches in the order of the calls; the version rises with each', async () => {
      const { control } = await connect();
      const before = (await control.twin()).reported.$version;
      const versions = await Promise.all([
        control.report({ a: 1, b: { c: 1, d: 2 } }),
        control.report({ a: 2, b: { c: null } }),
        control.report({ a: 3 }),
      ]);
      expect(versions).toEqual([before + 1, before + 2, before + 3]);
      expect(await bench.reported()).toEqual({ a: 3, b: { d: 2 } });
      expect((await control.twin()).reported).toEqual({ a: 3, b: { d: 2 }, $version: before + 3 });
    });

    behaviour('refuses a patch that the hub never takes, and goes on', async () => {
      const { control } = await connect();
      const big = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 'x'.repeat(4_000)]));
      await expect(control.report(big)).rejects.toSatisfy(
        (e) => e instanceof GatewayError && !(e instanceof NotConnectedError) && e.retry === 'never',
      );
      await control.report({ a: 1 });
      expect(await bench.reported()).toEqual({ a: 1 });
    });

    behaviour('gives desired patches in order, each once, after the twin', async () => {
      await bench.desire({ n: 0 });
      const { control } = await connect();
      const patches = noted<TwinObject & { readonly $version: number }>();
      control.onDesired((patch) => patches.add(patch));
      const { desired } = await control.twin();
      for (let n = 1; n <= 10; n++) await bench.desire({ n, ...(n === 5 && { gone: null }) });
      await patches.until((seen) => seen.length === 10);
      expect(patches.seen.map(({ n, $version }) => [n, $version])).toEqual(
        Array.from({ length: 10 }, (_, i) => [i + 1, desired.$version + i + 1]),
      );
    });

    behaviour('answers methods: with the result, with 500 when the handler throws; no payload is null', async () => {
      const { control } = await connect();
      const calls = noted<MethodCall>();
      control.onMethod(async (call) => {
        calls.add(call);
        if (call.name === 'broken') throw new Error('it is broken');
        return { status: 201, payload: { got: call.payload } };
      });
      // The twin is asked for behind the subscriptions: with its answer, they hold.
      await control.twin();
      expect(await bench.call('ping')).toEqual({ status: 201, payload: { got: null } });
      expect(await bench.call('write', { point: 'p', value: [1, 'ü'] })).toEqual({
        status: 201,
        payload: { got: { point: 'p', value: [1, 'ü'] } },
      });
      expect(await bench.call('broken')).toMatchObject({ status: 500, payload: { message: 'it is broken' } });
      expect(calls.seen.map(({ name }) => name)).toEqual(['ping', 'write', 'broken']);
    });

    behaviour('takes a message when its handler is through, and is offered it again when the handler refused', async () => {
      const first = await connect();
      const seen = noted<CloudMessage>();
      first.control.onMessage(async (message) => {
        seen.add(message);
        if (message.id === 'c-2') throw new Error('not now');
      });
      await first.control.twin();
      for (const id of ['c-1', 'c-2']) await bench.command(id, `do ${id}`);
      await seen.until(({ length }) => length === 2);
      expect(seen.seen.map(({ id, body }) => [id, String(Buffer.from(body))])).toEqual([
        ['c-1', 'do c-1'],
        ['c-2', 'do c-2'],
      ]);
      await first[Symbol.asyncDispose]();
      const second = await connect();
      const again = noted<string | undefined>();
      second.control.onMessage(async ({ id }) => again.add(id));
      await second.control.twin();
      await bench.command('c-3', 'do c-3');
      await again.until((ids) => ids.includes('c-3'));
      expect(again.seen).toEqual(['c-2', 'c-3']);
    });

    behaviour('keeps everything over a renewal of its credentials', async () => {
      const session = await connect(bench.shortLived ?? bench.settings);
      const { control } = session;
      const patches = noted<TwinObject>();
      const commands = noted<string | undefined>();
      control.onDesired((patch) => patches.add(patch));
      control.onMethod(async ({ payload }) => ({ status: 200, payload }));
      control.onMessage(async ({ id }) => commands.add(id));
      await control.twin();
      const untilMs = performance.now() + 3_500;
      let n = 0;
      let answered = 0;
      for (; performance.now() < untilMs; n++) {
        await bench.desire({ n });
        await bench.command(`c-${n}`, '');
        // While no link is up, a call finds nobody; that is told to the caller, and no loss.
        answered += (await bench.call('echo', n).catch(() => undefined))?.payload === n ? 1 : 0;
        await control.report({ n });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await bench.desire({ n });
      await patches.until((seen) => seen.at(-1)?.n === n);
      // What changed while no link was up may come as one patch; nothing comes twice or late.
      const values = patches.seen.map((patch) => patch.n as number);
      expect(values).toEqual([...new Set(values)].toSorted((a, b) => a - b));
      await commands.until((ids) => ids.length === n);
      expect(commands.seen).toEqual(Array.from({ length: n }, (_, i) => `c-${i}`));
      expect(answered).toBeGreaterThan(n / 2);
      expect(await bench.reported()).toEqual({ n: n - 1 });
    });

    behaviour('sends telemetry while all of this goes on', async () => {
      const session = await connect();
      session.control.onMethod(async () => ({ status: 200 }));
      session.control.onDesired(() => {});
      session.control.onMessage(async () => {});
      await session.control.twin();
      const ids = Array.from({ length: 100 }, (_, i) => `m-${i}`);
      await Promise.all([
        ...ids.map((id) => session.send(hubMessage(id))),
        ...ids.map((id) => session.control.report({ id })),
        bench.call('ping'),
        session.control.twin(),
      ]);
      expect(await bench.reported()).toEqual({ id: 'm-99' });
    });

    behaviour('rejects what waits for an answer when the link goes', async () => {
      const session = await connect();
      await session.control.twin();
      await bench.cut();
      // Whether it knows of the loss already or not.
      for (const asked of [session.control.twin(), session.control.report({ a: 1 })])
        await expect(asked).rejects.toBeInstanceOf(NotConnectedError);
      await session.closed;
      await expect(session.control.twin()).rejects.toBeInstanceOf(NotConnectedError);
    });
  });
}

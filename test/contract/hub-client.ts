import { isAbsolute, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../adapters/contract.ts';
import type { HubClientKind, HubContext, HubMessage, HubSession } from '../../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { Plant } from '../../model/plant.ts';
import type { TelemetryEvent } from '../../model/telemetry.ts';
import { tempFolder } from '../support/temp.ts';

/** A hub on loopback that takes messages, and what a behaviour needs to disturb it. */
export interface HubBench<Settings> extends AsyncDisposable {
  readonly settings: Settings;
  /** The same with credentials that are renewed at least once within three seconds; absent where nothing is renewed. */
  readonly shortLived?: Settings;
  /** Resolves with the ids the hub has taken over so far, in its order, as soon as there are `count` of them. */
  taken(count: number): Promise<readonly string[]>;
  /** From now on the hub takes nothing over, but the link stays. */
  stall(): unknown;
  /** Every connection is cut and no new one accepted. */
  cut(): unknown;
  /** What error texts say of the place. Default: a port. */
  readonly place?: RegExp;
}

const behaviours = [
  'resolves a send only after the hub took the message over',
  'puts messages on the wire in the order of the calls',
  'tells its window and its largest body, and takes a body of that size',
  'takes more calls than its window at once and loses none',
  'refuses a message that can never be taken, and stays connected',
  'rejects what is under way with NotConnectedError when the link goes, and says why in closed',
  'refuses a send after the end with NotConnectedError',
  'renews its credentials without losing or reordering a message',
  'takes a message that says what it is about, and may stay on its topic',
  'is disposed quickly while the hub is silent, and twice without harm',
  'connects again after it was disposed',
  'refuses to connect to nothing with a NotConnectedError that says where',
  'stops connecting when the signal aborts',
] as const;
export type HubBehaviour = (typeof behaviours)[number];

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A gateway without machines. */
export const emptyPlant: Plant = { machines: () => [], latest: () => [], onChange: () => ({ [Symbol.dispose]() {} }) };

/** `files` are the secrets, by the name that the settings give; other paths are taken as relative to `stateFolder`. */
export function hubContext(
  stateFolder: string,
  files: Readonly<Record<string, string>> = {},
  gateway = 'gw-test-1',
  plant = emptyPlant,
): HubContext {
  return {
    gateway,
    source: `/candyco/leeds/${gateway}`,
    plant,
    stateFolder,
    resolve: (path) => (isAbsolute(path) ? path : join(stateFolder, path)),
    log: silent,
    secret: async (reference) => {
      const name = 'file' in reference ? reference.file : reference.env;
      const text = files[name];
      if (text === undefined) throw new GatewayError('secret', `no secret ${name}`, { retry: 'after-fix' });
      return text;
    },
  };
}

/** A CloudEvent, so that a hub which looks inside takes it too; white space at its end makes up the size, in bytes. */
export function eventBody(id: string, size = 0): string {
  const event = { specversion: '1.0', id, source: '/test', type: 'dragoman.telemetry.v1', subject: 'bench-1', data: {} };
  return JSON.stringify(event).padEnd(size);
}

export const hubMessage = (id: string, body: string | Uint8Array = eventBody(id)): HubMessage => ({
  id,
  body: typeof body === 'string' ? Buffer.from(body) : body,
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  createdMs: Date.UTC(2026, 10, 24, 8, 0, 1, 250),
});

/** The same for a session that takes events: one reading, whose value is the id; white space at its end makes up the size, in bytes. */
export function benchEvent(id: string, size = 0): TelemetryEvent {
  const time = new Date().toISOString();
  return {
    specversion: '1.0',
    id: `gw-test-1/test/${id}`,
    source: '/candyco/leeds/gw-test-1',
    type: 'dragoman.telemetry.v1',
    subject: 'bench-1',
    time,
    datacontenttype: 'application/json',
    sequence: '1',
    partitionkey: 'bench-1',
    data: { equipment: 'bench-1', readings: [{ point: 'id', value: id.padEnd(size), time }] },
  };
}

/** Hands a message over in the way that the session takes: whole events where it has `sendEvents`. */
function deliver(session: HubSession, id: string, size = 0): Promise<void> {
  return session.sendEvents ? session.sendEvents([benchEvent(id, size)]) : session.send(hubMessage(id, eventBody(id, size)));
}

/**
 * What every hub client must do. `files` are the secrets that the settings name.
 * `skips` leaves a behaviour out by name, with the reason that the title then shows.
 */
export function hubClientContract<Settings>(
  title: string,
  kind: HubClientKind<Settings>,
  start: () => Promise<{ readonly bench: HubBench<Settings>; readonly files: Readonly<Record<string, string>> }>,
  skips: Partial<Record<HubBehaviour, string>> = {},
): void {
  describe(`hub client contract: ${title}`, () => {
    let bench: HubBench<Settings>;
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
      context = hubContext(folder.path, started.files);
    });
    afterEach(async () => {
      stop.abort();
      // Undefined when the bench could not even start.
      await (bench as typeof bench | undefined)?.[Symbol.asyncDispose]();
      for (const session of sessions) await session[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    const connect = async (settings = bench.settings): Promise<HubSession> => {
      const session = await (await kind.load()).connect(settings, context, stop.signal);
      sessions.push(session);
      return session;
    };
    const behaviour = (name: HubBehaviour, run: () => Promise<void>): void => {
      const skipped = skips[name];
      test.skipIf(skipped !== undefined)(skipped === undefined ? name : `${name} [skipped: ${skipped}]`, run);
    };

    behaviour('resolves a send only after the hub took the message over', async () => {
      const session = await connect();
      await deliver(session, 'm-1');
      expect(await bench.taken(1)).toEqual(['m-1']);
      await bench.stall();
      let resolved = false;
      const late = deliver(session, 'm-2').then(
        () => {
          resolved = true;
        },
        () => {},
      );
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(resolved).toBe(false);
      await session[Symbol.asyncDispose]();
      await late;
    });

    behaviour('puts messages on the wire in the order of the calls', async () => {
      const session = await connect();
      const ids = Array.from({ length: 100 }, (_, i) => `m-${i}`);
      // Big and small in turn: whatever is done to a body may not let the next one overtake.
      await Promise.all(ids.map((id, i) => deliver(session, id, i % 2 === 0 ? 40_000 : 0)));
      expect(await bench.taken(100)).toEqual(ids);
    });

    behaviour('tells its window and its largest body, and takes a body of that size', async () => {
      const session = await connect();
      expect(session.window).toBeGreaterThanOrEqual(1);
      expect(session.maxBodyBytes).toBeGreaterThanOrEqual(4_096);
      await deliver(session, 'm-large', session.maxBodyBytes);
      expect(await bench.taken(1)).toEqual(['m-large']);
    });

    behaviour('takes more calls than its window at once and loses none', async () => {
      const session = await connect();
      const ids = Array.from({ length: session.window * 5 + 1 }, (_, i) => `m-${i}`);
      await Promise.all(ids.map((id) => deliver(session, id)));
      expect(await bench.taken(ids.length)).toEqual(ids);
    });

    behaviour('refuses a message that can never be taken, and stays connected', async () => {
      const session = await connect();
      const before = deliver(session, 'm-1');
      const poison = deliver(session, 'm-poison', session.maxBodyBytes * 8);
      const after = deliver(session, 'm-2');
      await expect(poison).rejects.toSatisfy((e) => e instanceof GatewayError && !(e instanceof NotConnectedError) && e.retry === 'never');
      await Promise.all([before, after]);
      expect(await bench.taken(2)).toEqual(['m-1', 'm-2']);
    });

    behaviour('rejects what is under way with NotConnectedError when the link goes, and says why in closed', async () => {
      const session = await connect();
      await deliver(session, 'm-0');
      await bench.stall();
      const sends = Array.from({ length: session.window * 2 }, (_, i) => deliver(session, `m-${i + 1}`));
      const settled = Promise.allSettled(sends);
      await bench.cut();
      for (const result of await settled) {
        expect(result.status).toBe('rejected');
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(NotConnectedError);
      }
      const reason = await session.closed;
      expect(reason).toBeInstanceOf(NotConnectedError);
      expect(reason?.message).toMatch(bench.place ?? /:\d+/);
    });

    behaviour('refuses a send after the end with NotConnectedError', async () => {
      const session = await connect();
      await session[Symbol.asyncDispose]();
      await expect(deliver(session, 'm-1')).rejects.toBeInstanceOf(NotConnectedError);
      expect(await session.closed).toBeUndefined();
    });

    behaviour('renews its credentials without losing or reordering a message', async () => {
      if (!bench.shortLived) throw new Error('the bench has no short-lived settings; skip this behaviour with a reason');
      const session = await connect(bench.shortLived);
      let over = false;
      void session.closed.then(() => {
        over = true;
      });
      const ids: string[] = [];
      const sends: Promise<void>[] = [];
      const untilMs = performance.now() + 4_000;
      while (performance.now() < untilMs && !over) {
        const id = `m-${ids.length}`;
        ids.push(id);
        const send = deliver(session, id);
        // Reported below; it must not be an unhandled rejection until then.
        send.catch(() => {});
        sends.push(send);
        // Keeps the window about full, as the forwarder does, without an endless queue.
        if (sends.length >= session.window) await sends[sends.length - session.window];
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(over).toBe(false);
      await Promise.all(sends);
      expect(await bench.taken(ids.length)).toEqual(ids);
    });

    behaviour('takes a message that says what it is about, and may stay on its topic', async () => {
      const session = await connect();
      const about = { equipment: 'bench-1', path: 'candyco/leeds', message: 'process', priority: 'alarm', point: 'motor_1' } as const;
      await (session.sendEvents ? deliver(session, 'm-1') : session.send({ ...hubMessage('m-1'), about, retain: true }));
      expect(await bench.taken(1)).toEqual(['m-1']);
    });

    behaviour('is disposed quickly while the hub is silent, and twice without harm', async () => {
      const session = await connect();
      await bench.stall();
      const send = deliver(session, 'm-1').then(
        () => 'resolved',
        (error: unknown) => error,
      );
      const startMs = performance.now();
      await Promise.all([session[Symbol.asyncDispose](), session[Symbol.asyncDispose]()]);
      await session[Symbol.asyncDispose]();
      expect(performance.now() - startMs).toBeLessThan(1_500);
      expect(await send).toBeInstanceOf(NotConnectedError);
      expect(await session.closed).toBeUndefined();
    });

    behaviour('connects again after it was disposed', async () => {
      const first = await connect();
      await deliver(first, 'm-1');
      await first[Symbol.asyncDispose]();
      const second = await connect();
      await deliver(second, 'm-2');
      expect(await bench.taken(2)).toEqual(['m-1', 'm-2']);
    });

    behaviour('refuses to connect to nothing with a NotConnectedError that says where', async () => {
      await bench.cut();
      await expect(connect()).rejects.toSatisfy(
        (error) => error instanceof NotConnectedError && (bench.place ?? /:\d+/).test(error.message),
      );
    });

    behaviour('stops connecting when the signal aborts', async () => {
      stop.abort();
      await expect(connect()).rejects.toBeInstanceOf(NotConnectedError);
    });
  });
}

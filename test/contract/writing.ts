import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Adapter, Connection, ObservedPoint } from '../../adapters/contract.ts';
import { NotConnectedError } from '../../model/error.ts';
import type { RawValue } from '../../model/value.ts';
import { tempFolder } from '../support/temp.ts';
import { connectContext, watchUntil } from './adapter.ts';

export interface Write<Address> {
  readonly point: ObservedPoint<Address>;
  readonly raw: RawValue;
}

/** A machine on loopback that may be written. */
export interface WritingBench<Settings, Address> extends AsyncDisposable {
  /** With a time-out below a second. */
  readonly settings: Settings;
  /** Each is taken; afterwards the machine shows it. The first point polls or samples fast. */
  readonly writes: readonly Write<Address>[];
  /** The machine says no by itself: an unmapped register, a read-only node. */
  readonly refused: Write<Address>;
  /** The point cannot hold it. */
  readonly misfit: Write<Address>;
  /** Write requests that reached the machine since the start. */
  taken(): number;
  /** From now on it takes requests and answers none. */
  goSilent(): void;
  /** The machine or the network goes away for good. */
  cutLink(): Promise<void>;
}

const behaviours = [
  'writes what the machine then shows',
  'writes while it observes',
  "tells the machine's refusal, with its reason",
  'refuses what the point cannot hold, and sends nothing',
  'does not know after a time-out, and has not tried again',
  'does not know when the link is lost after it was sent',
  'sends nothing that was called back before',
  'rejects with NotConnectedError when the link was lost before',
] as const;
export type WritingBehaviour = (typeof behaviours)[number];

/** What every adapter with `write` must do, run against its own simulator. `skips` leaves a behaviour out by name, with the reason. */
export function writingContract<Settings, Address>(
  adapter: Adapter<Settings, Address>,
  start: () => Promise<WritingBench<Settings, Address>>,
  skips: Partial<Record<WritingBehaviour, string>> = {},
): void {
  describe(`writing contract: ${adapter.name}`, () => {
    let bench: WritingBench<Settings, Address>;
    let folder: ReturnType<typeof tempFolder>;
    let stop: AbortController;

    beforeEach(async () => {
      folder = tempFolder();
      stop = new AbortController();
      bench = await start();
    });
    afterEach(async () => {
      stop.abort();
      await bench[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    const connect = async (): Promise<Connection<Address>> =>
      (await adapter.load()).connect(bench.settings, connectContext(folder.path), stop.signal);
    const write = (connection: Connection<Address>, { point, raw }: Write<Address>, signal = stop.signal) =>
      connection.write!(point, raw, signal);

    const behaviour = (name: WritingBehaviour, run: () => Promise<void>): void => {
      const skipped = skips[name];
      test.skipIf(skipped !== undefined)(skipped === undefined ? name : `${name} [skipped: ${skipped}]`, run);
    };

    behaviour('writes what the machine then shows', async () => {
      await using connection = await connect();
      for (const one of bench.writes) {
        expect(await write(connection, one), one.point.name).toMatchObject({ outcome: 'done' });
        const [batch] = await connection.read([one.point], stop.signal);
        expect(batch?.values[0], one.point.name).toEqual(one.raw);
      }
      expect(bench.taken()).toBe(bench.writes.length);
    });

    behaviour('writes while it observes', async () => {
      await using connection = await connect();
      const first = bench.writes[0]!;
      let written: Promise<unknown> | undefined;
      await watchUntil(connection, [first.point], stop.signal, (seen) => {
        if (seen.has(first.point.name)) written ??= write(connection, first);
        return seen.get(first.point.name)?.value === first.raw;
      });
      expect(await written).toMatchObject({ outcome: 'done' });
    });

    behaviour("tells the machine's refusal, with its reason", async () => {
      await using connection = await connect();
      expect(await write(connection, bench.refused)).toEqual({ outcome: 'refused', reason: expect.stringMatching(/\w/) });
    });

    behaviour('refuses what the point cannot hold, and sends nothing', async () => {
      await using connection = await connect();
      expect(await write(connection, bench.misfit)).toEqual({ outcome: 'refused', reason: expect.stringMatching(/\w/) });
      expect(bench.taken()).toBe(0);
    });

    behaviour('does not know after a time-out, and has not tried again', async () => {
      await using connection = await connect();
      bench.goSilent();
      expect(await write(connection, bench.writes[0]!)).toEqual({ outcome: 'unknown', reason: expect.stringMatching(/\w/) });
      expect(bench.taken()).toBe(1);
    });

    behaviour('does not know when the link is lost after it was sent', async () => {
      await using connection = await connect();
      bench.goSilent();
      const written = write(connection, bench.writes[0]!);
      await expect.poll(() => bench.taken(), { interval: 5 }).toBe(1);
      await bench.cutLink();
      expect(await written).toMatchObject({ outcome: 'unknown' });
    });

    behaviour('sends nothing that was called back before', async () => {
      await using connection = await connect();
      await expect(write(connection, bench.writes[0]!, AbortSignal.abort())).rejects.toBeInstanceOf(NotConnectedError);
      expect(bench.taken()).toBe(0);
    });

    behaviour('rejects with NotConnectedError when the link was lost before', async () => {
      await using connection = await connect();
      const lost = (async () => {
        for await (const _ of connection.observe([bench.writes[0]!.point], stop.signal)) await bench.cutLink();
      })();
      await expect(lost).rejects.toBeInstanceOf(NotConnectedError);
      await expect(write(connection, bench.writes[0]!)).rejects.toBeInstanceOf(NotConnectedError);
    });
  });
}

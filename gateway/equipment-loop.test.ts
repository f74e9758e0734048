import { expect, test, vi } from 'vitest';
import type { Adapter, ConnectContext, Connection } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { NotConnectedError } from '../model/error.ts';
import type { SampleBatch, SampleState } from '../model/sample.ts';
import { EquipmentLoop } from './equipment-loop.ts';

const context: ConnectContext = {
  equipment: 'm',
  stateFolder: '/nowhere',
  log: { debug() {}, info() {}, warn() {}, error() {} },
  secret: () => Promise.resolve(''),
};

function machine(names: readonly string[]): CompiledEquipment {
  return { id: 'm', points: names.map((name) => ({ name })), settings: {}, adapter: 'scripted' } as unknown as CompiledEquipment;
}

/** An adapter whose link can be cut; what a protocol does on the wire is tested with the protocols. */
function scripted() {
  const seen: { connects: number; observed: string[][]; disposed: number } = { connects: 0, observed: [], disposed: 0 };
  let refusal: Error | undefined;
  let cut: ((error: Error) => void) | undefined;
  const connection: Connection = {
    async *observe(points, signal) {
      seen.observed.push(points.map(({ name }) => name));
      yield { receivedMs: 1, points: [0], values: [42] };
      await new Promise<void>((resolve, reject) => {
        cut = reject;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
    read: () => Promise.resolve([]),
    counters: () => ({}),
    async [Symbol.asyncDispose]() {
      seen.disposed++;
    },
  };
  const adapter = {
    name: 'scripted',
    async load() {
      return {
        async connect() {
          if (refusal) throw refusal;
          seen.connects++;
          return connection;
        },
      };
    },
  } as unknown as Adapter;
  return {
    adapter,
    seen,
    refuse(error: Error | undefined): void {
      refusal = error;
    },
    cut: (error: Error) => cut?.(error),
  };
}

function sink() {
  const got: { batches: SampleBatch[]; lost: SampleState[] } = { batches: [], lost: [] };
  return { got, accept: (batch: SampleBatch) => void got.batches.push(batch), linkLost: (state: SampleState) => void got.lost.push(state) };
}

const gone = new NotConnectedError('gone', '10.0.0.1:502 refuses connections', { retry: 'with-backoff' });

test('a link that is cut turns the points bad with the reason and is opened again', async () => {
  const peer = scripted();
  const target = sink();
  const loop = new EquipmentLoop(machine(['a']), peer.adapter, context, target);
  loop.start();
  await vi.waitFor(() => expect(target.got.batches).toHaveLength(1));
  peer.cut(gone);
  await vi.waitFor(() => expect(target.got.batches).toHaveLength(2), 5_000);
  expect(target.got.lost).toMatchObject([{ status: { name: 'BadNotConnected' }, reason: '10.0.0.1:502 refuses connections' }]);
  expect(peer.seen).toMatchObject({ connects: 2, disposed: 1 });
  expect(loop.state()).toMatchObject({ connected: true, reason: undefined });
  await loop.stop();
  expect(peer.seen.disposed).toBe(2);
});

test('a machine that is away from the start is bad with the reason, and is found when it comes', async () => {
  const peer = scripted();
  const target = sink();
  peer.refuse(gone);
  const loop = new EquipmentLoop(machine(['a']), peer.adapter, context, target);
  loop.start();
  await vi.waitFor(() => expect(target.got.lost.length).toBeGreaterThan(0));
  peer.refuse(undefined);
  await vi.waitFor(() => expect(target.got.batches).toHaveLength(1), 5_000);
  await loop.stop();
});

test('other points are observed on the same connection', async () => {
  const peer = scripted();
  const before = sink();
  const loop = new EquipmentLoop(machine(['a']), peer.adapter, context, before);
  loop.start();
  await vi.waitFor(() => expect(before.got.batches).toHaveLength(1));
  const after = sink();
  loop.update(machine(['a', 'b']), after);
  await vi.waitFor(() => expect(after.got.batches).toHaveLength(1));
  expect(peer.seen).toMatchObject({ connects: 1, observed: [['a'], ['a', 'b']], disposed: 0 });
  await loop.stop();
});

test('a defect in an adapter stops neither the loop nor the process', async () => {
  const peer = scripted();
  const target = sink();
  peer.refuse(new TypeError('undefined is not a function'));
  const loop = new EquipmentLoop(machine(['a']), peer.adapter, context, target);
  loop.start();
  await vi.waitFor(() => expect(target.got.lost.length).toBeGreaterThan(0));
  peer.refuse(undefined);
  await vi.waitFor(() => expect(target.got.batches).toHaveLength(1), 5_000);
  await loop.stop();
});

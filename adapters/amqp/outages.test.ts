import { afterEach, beforeEach, test } from 'vitest';
import { EquipmentLoop } from '../../gateway/equipment-loop.ts';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { connectContext } from '../../test/contract/adapter.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { Adapter } from '../contract.ts';
import { amqp } from './adapter.ts';
import { type AmqpSimulator, startAmqpSimulator } from './simulator.ts';
import { point, settingsOf } from './testcases/points.ts';
import { eventually } from './testcases/watching.ts';

let broker: AmqpSimulator;
let port: number;
const users: Record<string, string> = {};
beforeEach(async () => {
  users.gateway = 'secret';
  port = await freePort();
  broker = await startAmqpSimulator({ port, users });
});
afterEach(() => broker.close());

/** A machine as the gateway runs it: only the loop reconnects. */
function machine(): AsyncDisposable & { readonly values: unknown[]; readonly lost: string[] } {
  const folder = tempFolder();
  const values: unknown[] = [];
  const lost: string[] = [];
  const settings = settingsOf({ host: '127.0.0.1', port, user: 'gateway', password: { env: 'X' }, timeout: '2s', idleTimeout: '1s' });
  const equipment = { id: 'press-7', settings, points: [point('n', 'q', '/n')] } as unknown as CompiledEquipment;
  const sink = {
    accept(batch: SampleBatch) {
      for (let k = 0; k < batch.values.length; k++) if (batch.values[k] !== undefined) values.push(batch.values[k]);
      batch.acknowledge?.();
    },
    linkLost: ({ reason = '' }: SampleState) => void lost.push(reason),
  };
  const loop = new EquipmentLoop(equipment, amqp as unknown as Adapter, connectContext(folder.path), sink);
  loop.start();
  return {
    values,
    lost,
    async [Symbol.asyncDispose]() {
      await loop.stop();
      folder[Symbol.dispose]();
    },
  };
}

const put = (n: number): number => broker.put('q', { body: { n } });

test.for([
  ['a goodbye without a word', () => broker.closeConnections()],
  ['a goodbye for a reason', () => broker.closeConnections({ condition: 'amqp:connection:forced', description: 'maintenance' })],
  ['a reset', () => broker.reset()],
  ['a half-open connection', () => broker.freeze()],
] as const)('after %s it comes back by itself', { timeout: 12_000 }, async ([, outage]) => {
  await using press = machine();
  put(1);
  await eventually(() => press.values.includes(1));
  outage();
  await eventually(() => press.lost.length > 0);
  put(2);
  await eventually(() => press.values.includes(2), 8_000);
  await eventually(() => broker.outcomes.filter(({ outcome }) => outcome === 'accepted').length >= 2);
});

test('after logins were refused for a while it comes back by itself', { timeout: 20_000 }, async () => {
  users.gateway = 'changed';
  await using press = machine();
  await eventually(() => press.lost.some((reason) => /refuses user "gateway"/.test(reason)));
  users.gateway = 'secret';
  put(1);
  await eventually(() => press.values.includes(1), 12_000);
});

test('a broker that restarts is found again', { timeout: 12_000 }, async () => {
  await using press = machine();
  put(1);
  await eventually(() => press.values.includes(1));
  await broker.close();
  await eventually(() => press.lost.length > 0);
  broker = await startAmqpSimulator({ port, users });
  put(2);
  await eventually(() => press.values.includes(2), 8_000);
});

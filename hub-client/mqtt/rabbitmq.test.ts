import { afterAll, beforeAll, describe } from 'vitest';
import { hubClientContract } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { type RabbitMq, startRabbitMq } from '../../test/support/rabbitmq.ts';
import { mqtt } from './definition.ts';
import { watch } from './testcases/brokers.ts';
import { startProxy } from './testcases/proxy.ts';

const rabbitmq = capability('rabbitmq');

describe.skipIf(!rabbitmq.ok)(titled('against RabbitMQ 3.10, which hangs up on MQTT 5', rabbitmq), () => {
  let broker: RabbitMq;
  let run = 0;
  beforeAll(async () => {
    broker = await startRabbitMq();
  }, 120_000);
  afterAll(async () => {
    await broker?.[Symbol.asyncDispose]();
  });

  hubClientContract(
    'mqtt, RabbitMQ',
    mqtt,
    async () => {
      run++;
      const proxy = await startProxy(broker.mqttPort);
      const watcher = await watch(broker.mqttPort, 4, `run-${run}/contract/#`, { username: 'guest', password: 'guest' });
      return {
        files: { password: 'guest' },
        bench: {
          settings: mqtt.settings.parse({
            url: `mqtt://127.0.0.1:${proxy.port}`,
            user: 'guest',
            password: { file: 'password' },
            clientId: `gw-${run}`,
            topic: `run-${run}/contract/{gateway}`,
          }),
          async taken(count) {
            const seen = await watcher.until((messages) => messages.length >= count);
            return seen.map(({ payload }) => (JSON.parse(String(payload)) as { readonly id: string }).id);
          },
          stall: () => proxy.stall(),
          cut: () => proxy.cut(),
          async [Symbol.asyncDispose]() {
            await watcher[Symbol.asyncDispose]();
            await proxy[Symbol.asyncDispose]();
          },
        },
      };
    },
    { 'renews its credentials without losing or reordering a message': 'a password of MQTT has no end' },
  );
});

import { describe } from 'vitest';
import { hubClientContract } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { type MqttSettings, mqtt } from './definition.ts';
import { startAedes, startPlainMosquitto, type Watcher, watch } from './testcases/brokers.ts';

const noCredentials = { 'renews its credentials without losing or reordering a message': 'a password of MQTT has no end' } as const;
/** One topic a message, so that a subscriber can tell them apart in MQTT 3.1.1 too: the id is in the body of the contract's messages. */
const idOf = (body: string | Buffer): string => (JSON.parse(String(body)) as { readonly id: string }).id;
const settingsFor = (more: object): MqttSettings => mqtt.settings.parse({ topic: 'contract/{gateway}', ...more });

async function takenBy(watcher: Watcher, count: number): Promise<readonly string[]> {
  const mine = () => watcher.seen.filter(({ topic }) => topic.startsWith('contract/'));
  await watcher.until(() => mine().length >= count);
  return mine().map(({ payload }) => idOf(payload));
}

hubClientContract(
  'mqtt 3.1.1, aedes',
  mqtt,
  async () => {
    const broker = await startAedes();
    const watcher = await watch(broker.port, 4);
    return {
      files: {},
      bench: {
        settings: settingsFor({ url: `mqtt://127.0.0.1:${broker.port}` }),
        taken: (count) => takenBy(watcher, count),
        stall: () => broker.stall(),
        cut: () => broker.cut(),
        async [Symbol.asyncDispose]() {
          await watcher[Symbol.asyncDispose]();
          await broker[Symbol.asyncDispose]();
        },
      },
    };
  },
  noCredentials,
);

const mosquitto = capability('mosquitto');
describe.skipIf(!mosquitto.ok)(titled('against mosquitto', mosquitto), () => {
  hubClientContract(
    'mqtt 5, mosquitto',
    mqtt,
    async () => {
      const broker = await startPlainMosquitto();
      const watcher = await watch(broker.port, 5);
      return {
        files: {},
        bench: {
          settings: settingsFor({ url: `mqtt://127.0.0.1:${broker.port}` }),
          taken: (count) => takenBy(watcher, count),
          stall: () => broker.freeze(),
          cut: () => broker.kill(),
          async [Symbol.asyncDispose]() {
            broker.thaw();
            await watcher[Symbol.asyncDispose]();
            await broker[Symbol.asyncDispose]();
          },
        },
      };
    },
    noCredentials,
  );
});

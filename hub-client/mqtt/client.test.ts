import { describe } from 'vitest';
import { hubClientContract } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { type MqttSettings, mqtt } from './definition.ts';
import { startAedes, startPlainMosquitto, type Watcher, watch } from './testcases/brokers.ts';
import { Host, read } from './testcases/sparkplug-reader.ts';

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

/** Ids of the messages of the contract, which a Sparkplug session carries as values of the metric `id`. */
async function takenByHost(watcher: Watcher, count: number): Promise<readonly string[]> {
  const ids = (): readonly string[] => {
    const host = new Host();
    const found: string[] = [];
    for (const message of watcher.seen.filter(({ topic }) => topic.startsWith('spBv1.0/'))) {
      const one = read(message);
      host.take(one);
      if (one.type === 'DDATA') found.push(String(host.values.get('bench-1/id')?.value).trimEnd());
    }
    return found;
  };
  await watcher.until(() => ids().length >= count);
  return ids();
}

const mosquitto = capability('mosquitto');
describe.skipIf(!mosquitto.ok)(titled('against mosquitto', mosquitto), () => {
  const plain = async (settings: object, taken: typeof takenBy, more: readonly string[] = []) => {
    const broker = await startPlainMosquitto(more);
    const watcher = await watch(broker.port, 5);
    return {
      files: {},
      bench: {
        settings: mqtt.settings.parse({ url: `mqtt://127.0.0.1:${broker.port}`, ...settings }),
        taken: (count: number) => taken(watcher, count),
        stall: () => broker.freeze(),
        cut: () => broker.kill(),
        async [Symbol.asyncDispose]() {
          broker.thaw();
          await watcher[Symbol.asyncDispose]();
          await broker[Symbol.asyncDispose]();
        },
      },
    };
  };
  hubClientContract('mqtt 5, mosquitto', mqtt, () => plain({ topic: 'contract/{gateway}' }, takenBy), noCredentials);
  hubClientContract(
    'mqtt 3.1.1, one topic a tag, mosquitto',
    mqtt,
    () => plain({ version: '3.1.1', topic: 'contract/{path}/{equipment}/{point}' }, takenBy),
    noCredentials,
  );
  // What a broker takes is all that limits a message of Sparkplug.
  hubClientContract(
    'sparkplug, mosquitto',
    mqtt,
    () => plain({ sparkplug: { group: 'contract' } }, takenByHost, ['max_packet_size 300000']),
    noCredentials,
  );
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { type RabbitMq, startRabbitMq } from '../../test/support/rabbitmq.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { mqtt } from './adapter.ts';
import { pointsOf, settingsOf } from './testcases/points.ts';
import { watch } from './testcases/watching.ts';

const rabbitmq = capability('rabbitmq');
const publisher = capability('mosquitto');

describe.skipIf(!rabbitmq.ok || !publisher.ok)(titled('with RabbitMQ 3.10', rabbitmq, publisher), () => {
  let broker: RabbitMq;
  beforeAll(async () => {
    broker = await startRabbitMq();
  }, 120_000);
  afterAll(() => broker?.[Symbol.asyncDispose]());

  const settings = (over: object = {}) =>
    settingsOf({ url: `mqtt://127.0.0.1:${broker.mqttPort}`, user: 'guest', password: { env: 'X' }, ...over });
  const say = async (payload: string): Promise<void> => {
    const login = ['-u', 'guest', '-P', 'guest', '-V', 'mqttv311'];
    await using child = startChild('mosquitto_pub', [
      '-h',
      '127.0.0.1',
      '-p',
      String(broker.mqttPort),
      ...login,
      '-t',
      'a',
      '-q',
      '1',
      '-m',
      payload,
    ]);
    expect(await child.exited).toBe(0);
  };

  test('it closes on MQTT 5 without a word, and is spoken to in 3.1.1; what is not on disk comes again', async () => {
    using folder = tempFolder();
    const points = { v: { topic: 'a', at: '/v' } };
    const options = { stateFolder: folder.path, secret: 'guest' };
    const first = await watch(mqtt, settings(), pointsOf(settings(), points), { ...options, onBatch: () => {} });
    await first.untilThat(() => first.seen.length > 0);
    await say('{"v":1}');
    await first.until(({ value }) => value === 1);
    await first[Symbol.asyncDispose]();
    await using second = await watch(mqtt, settings(), pointsOf(settings(), points), options);
    await second.until(({ value }) => value === 1);
  });

  test('asked for MQTT 5 alone, it says what may be wrong', async () => {
    using folder = tempFolder();
    const only = settings({ version: '5' });
    await expect(watch(mqtt, only, [], { stateFolder: folder.path, secret: 'guest' })).rejects.toMatchObject({
      code: 'mqtt-closed-unanswered',
      hint: expect.stringMatching(/version: 3\.1\.1/),
    });
  });

  test('a wrong password is said as such, though the broker closes on MQTT 5 before it looks at it', async () => {
    using folder = tempFolder();
    await expect(watch(mqtt, settings(), [], { stateFolder: folder.path, secret: 'wrong' })).rejects.toMatchObject({
      code: 'mqtt-login',
      retry: 'after-fix',
    });
  });
});

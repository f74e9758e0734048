import { adapterContract } from '../../test/contract/adapter.ts';
import { mqtt } from './adapter.ts';
import { startMqttBroker } from './simulator.ts';
import { pointsOf, settingsOf } from './testcases/points.ts';

adapterContract(mqtt, async () => {
  const broker = await startMqttBroker({ forbidden: ['secret/'] });
  const settings = settingsOf({ url: `mqtt://127.0.0.1:${broker.port}` });
  const [temperature, humidity, refused] = pointsOf(settings, {
    temperature: { topic: 'plant/l1/sensor', at: '/temperature' },
    humidity: { topic: 'plant/+/sensor', at: '/humidity' },
    refused: { topic: 'secret/recipe', at: '/sugar' },
  });
  const say = (temperature: number): Promise<void> =>
    broker.publish('plant/l1/sensor', JSON.stringify({ temperature, humidity: 48 }), { retain: true });
  await say(21.5);
  return {
    settings,
    points: [temperature!, humidity!],
    values: { temperature: 21.5, humidity: 48 },
    refused: refused!,
    // Said once and never repeated: whoever waits must know what for before it comes.
    async change() {
      setImmediate(() => void say(22.25));
      return 22.25;
    },
    cutLink: () => broker.close(),
    [Symbol.asyncDispose]: () => broker.close(),
  };
});

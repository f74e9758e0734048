import { adapterContract } from '../../test/contract/adapter.ts';
import { amqp } from './adapter.ts';
import { startAmqpSimulator } from './simulator.ts';
import { point, settingsOf } from './testcases/points.ts';

adapterContract(amqp, async () => {
  const simulator = await startAmqpSimulator({ users: { gateway: 'secret' } });
  simulator.refused.set('/queue/none', { condition: 'amqp:not-found', description: "no queue 'none'", by: 'session' });
  let temperature = 93.2;
  const tell = (): void => {
    // A queue that nobody empties would grow for as long as the test runs.
    if (simulator.waiting('/queue/press') < 3) simulator.put('/queue/press', { body: { temperature, running: true } });
  };
  const telling = setInterval(tell, 20);
  return {
    settings: settingsOf({
      host: '127.0.0.1',
      port: simulator.port,
      user: 'gateway',
      password: { env: 'UNUSED' },
      timeout: '2s',
      idleTimeout: '5s',
    }),
    points: [point('temperature', '/queue/press', '/temperature'), point('running', '/queue/press', '/running')],
    values: { temperature: 93.2, running: true },
    refused: point('missing', '/queue/none', '/value'),
    async change() {
      temperature = 95.5;
      return temperature;
    },
    async cutLink() {
      clearInterval(telling);
      await simulator.close();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(telling);
      await simulator.close();
    },
  };
});

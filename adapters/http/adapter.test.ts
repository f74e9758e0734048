import { adapterContract } from '../../test/contract/adapter.ts';
import { http } from './adapter.ts';
import { startHttpSimulator } from './simulator.ts';
import { observed, settings } from './testcases/points.ts';

adapterContract(http, async () => {
  const simulator = await startHttpSimulator();
  simulator.set('/status', { temperature: 23.5, state: 'running' });
  simulator.set('/counter', '{"total":9007199254740993}', { validators: true });
  return {
    settings: settings(simulator.url),
    points: [
      observed('temperature', '/status', '/temperature'),
      observed('state', '/status', '/state'),
      observed('total', '/counter', '/total'),
    ],
    values: { temperature: 23.5, state: 'running', total: 9007199254740993n },
    refused: observed('nothing', '/none', '/a'),
    async change() {
      simulator.set('/status', { temperature: 24.5, state: 'running' });
      return 24.5;
    },
    cutLink: () => simulator.cut(),
    [Symbol.asyncDispose]: () => simulator[Symbol.asyncDispose](),
  };
});

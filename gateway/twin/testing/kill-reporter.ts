import { hastyAgent } from './support.ts';

/** Reports a rising count without a hub and prints each that is on disk, until it is killed. */
const [folder = '', round = '0'] = process.argv.slice(2);
const agent = hastyAgent(folder);
agent.report('round', Number(round));
for (let count = 0; ; count++) {
  agent.report('count', count);
  if (await agent.onDisk()) process.stdout.write(`on disk ${count}\n`);
}

import { amqp } from '../adapter.ts';
import { point, settingsOf } from './points.ts';

// A gateway that dies between reading a message and storing it: prints what it reads, never acknowledges.
// usage: node holder.ts PORT ADDRESS
const [port, address] = process.argv.slice(2);
const context = {
  equipment: 'holder',
  stateFolder: process.env.TMPDIR ?? '/tmp',
  log: { debug() {}, info() {}, warn() {}, error() {} },
  secret: async () => 'guest',
};
const settings = settingsOf({ host: '127.0.0.1', port: Number(port), user: 'guest', password: { env: 'X' }, containerId: 'holder' });
const connection = await (await amqp.load()).connect(settings, context, new AbortController().signal);
for await (const batch of connection.observe([point('n', address ?? '', '/n')], new AbortController().signal))
  for (let k = 0; k < batch.points.length; k++) process.stdout.write(`read ${batch.values[k]}\n`);

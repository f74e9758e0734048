/**
 * The broker for modules as a process of its own, its upstream a hub that takes everything at once.
 *
 * usage: node module-broker.ts FOLDER ROUTE
 * FOLDER has server.pem and server.key. Every module comes in by the key that is 32 times the byte 7. Prints `ready PORT`. Answers SIGUSR2 with a line
 * `late P50 P99` (ms from the time that begins each body to upstream, since the last SIGUSR2) and `count N`, all that went upstream.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileRoutes } from '../../deployments/routes/table.ts';
import { ModuleBroker } from '../../gateway/modules/broker/broker.ts';
import { lineLog } from '../../hub/log.ts';
import { Lateness } from './lateness.ts';

const [folder = '', route = ''] = process.argv.slice(2);
const { table, problems } = compileRoutes([{ name: 'bench', route, priority: undefined, timeToLiveSecs: undefined }], {
  timeToLiveSecs: 7200,
});
if (!table) throw new Error(problems.map(({ message }) => message).join('\n'));
const primaryKey = Buffer.alloc(32, 7).toString('base64');
const lateness = new Lateness();
const broker = await ModuleBroker.open({
  folder: join(folder, 'broker'),
  deviceId: 'gw-1',
  hubHostNames: ['localhost'],
  hostName: 'localhost',
  listen: { address: '127.0.0.1', mqttPort: 0 },
  certificate: {
    certificate: readFileSync(join(folder, 'server.pem'), 'utf8'),
    privateKey: readFileSync(join(folder, 'server.key'), 'utf8'),
  },
  identities: { get: (moduleId) => ({ deviceId: 'gw-1', moduleId, generationId: '1', primaryKey }) },
  upstream: { maxBodyBytes: 256 * 1024, send: async ({ body }) => lateness.arrived(body) },
  log: lineLog((line) => process.stderr.write(line), 'warn'),
  routes: table,
});
process.on('SIGUSR2', () => process.stdout.write(lateness.report()));
process.stdout.write(`ready ${broker.mqttPort}\n`);

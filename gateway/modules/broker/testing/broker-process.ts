import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog } from '../../../../hub/log.ts';
import { ModuleBroker } from '../broker.ts';
import { deviceId, hubHost, identityOf, routesOf } from './box.ts';

/** A broker as a process of its own, to be killed: `broker-process.ts FOLDER PORT ROUTE…`. What goes upstream stands in FOLDER/upstream.txt, a line a message. */
const [folder = '', port = '0', ...routes] = process.argv.slice(2);
const broker = await ModuleBroker.open({
  folder: join(folder, 'broker'),
  deviceId,
  hubHostNames: [hubHost],
  hostName: 'localhost',
  listen: { address: '127.0.0.1', mqttPort: Number(port) },
  certificate: {
    certificate: readFileSync(join(folder, 'server.pem'), 'utf8'),
    privateKey: readFileSync(join(folder, 'server.key'), 'utf8'),
  },
  identities: { get: (id) => identityOf(id) },
  upstream: {
    maxBodyBytes: 256 * 1024,
    async send({ body }) {
      appendFileSync(join(folder, 'upstream.txt'), `${Buffer.from(body).toString()}\n`);
    },
  },
  log: silentLog,
  routes: routesOf(...routes),
  retryMs: 20,
});
process.stdout.write(`ready ${broker.mqttPort}\n`);

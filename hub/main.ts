import { fstatSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { HubError } from './error.ts';
import { startHub } from './server.ts';

/**
 * The hub as a child process of the gateway or the demo: says `{"ready":true,"mqtt":PORT,…}` on stdout when it listens, and
 * `{"ready":false,"code":…,"reason":…,"hint":…}` when it cannot start,
 * and ends on SIGTERM, SIGINT, or when its stdin (a pipe from the parent) closes, so that it never outlives its parent.
 */
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: './data/hub' },
    host: { type: 'string', multiple: true },
    listen: { type: 'string' },
    mqtt: { type: 'string', default: '8883' },
    /** Ports of REST and AMQP for services; absent: none. */
    https: { type: 'string' },
    amqp: { type: 'string' },
    policies: { type: 'string' },
    'dps-scope': { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
  },
});
const log = pino({ name: 'hub', level: process.env.DRAGOMAN_LOG ?? 'info' }, pino.destination({ fd: 2, sync: true }));

const ending = new Promise<number>((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(0));
  const stdin = fstatSync(0);
  // Only a pipe says anything about a parent: a service manager gives /dev/null, which ends at once.
  if (stdin.isFIFO() || stdin.isSocket()) {
    process.stdin.on('end', () => resolve(0)).on('error', () => resolve(0));
    process.stdin.resume();
  }
});

try {
  const hub = await startHub({
    folder: values.data,
    mqttPort: Number(values.mqtt),
    ...(values.https !== undefined && { httpsPort: Number(values.https) }),
    ...(values.amqp !== undefined && { amqpPort: Number(values.amqp) }),
    ...(values.policies !== undefined && { policiesFile: values.policies }),
    ...(values['dps-scope'] !== undefined && { dpsScope: values['dps-scope'] }),
    ...(values.host && { host: values.host }),
    ...(values.listen !== undefined && { listen: values.listen }),
    ...(values.cert !== undefined && values.key !== undefined && { certificate: { certificateFile: values.cert, keyFile: values.key } }),
    log,
  });
  const { mqttPort: mqtt, httpsPort: https, amqpPort: amqp, names, caFile: ca, idScope } = hub;
  process.stdout.write(`${JSON.stringify({ ready: true, mqtt, https, amqp, names, ca, idScope })}\n`);
  const failed = hub.failed.then((cause) => {
    log.fatal({ code: cause.code, reason: cause.message }, 'the hub cannot go on');
    return 1;
  });
  const code = await Promise.race([ending, failed]);
  await hub.close();
  process.exit(code);
} catch (error) {
  if (!(error instanceof HubError)) throw error;
  process.stdout.write(`${JSON.stringify({ ready: false, code: error.code, reason: error.message, hint: error.hint })}\n`);
  process.exit(1);
}

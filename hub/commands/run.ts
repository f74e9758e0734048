import type { Command } from 'commander';
import { folderOf, interrupted } from './shared.ts';

export interface RunOptions {
  readonly host?: readonly string[];
  readonly listen?: string;
  readonly mqtt?: number;
  /** False with `--no-https`, `--no-amqp`. */
  readonly https?: number | false;
  readonly amqp?: number | false;
  readonly dpsScope?: string;
  readonly policies?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly keep?: number;
  readonly maxSize?: number;
}

/** `dragoman hub`: runs until Ctrl-C. */
export async function runHub(options: RunOptions, command: Command): Promise<void> {
  if ((options.cert === undefined) !== (options.key === undefined)) {
    command.error("--cert and --key belong together: give both, or none for a certificate of the hub's own CA", { exitCode: 2 });
  }
  const [{ startHub }, { lineLog }, { openRegistry, listDevices }] = await Promise.all([
    import('../server.ts'),
    import('../log.ts'),
    import('../registry.ts'),
  ]);
  const folder = folderOf(command);
  using stop = interrupted();
  await using hub = await startHub({
    folder,
    log: lineLog((line) => process.stderr.write(line)),
    ...(options.host && { host: options.host }),
    ...(options.listen !== undefined && { listen: options.listen }),
    ...(options.mqtt !== undefined && { mqttPort: options.mqtt }),
    ...(options.https !== false && { httpsPort: options.https ?? 'usual' }),
    ...(options.amqp !== false && { amqpPort: options.amqp ?? 'usual' }),
    ...(options.dpsScope !== undefined && { dpsScope: options.dpsScope }),
    ...(options.policies !== undefined && { policiesFile: options.policies }),
    ...(options.cert !== undefined &&
      options.key !== undefined && { certificate: { certificateFile: options.cert, keyFile: options.key } }),
    retention: {
      ...(options.keep !== undefined && { maxAgeMs: options.keep }),
      ...(options.maxSize !== undefined && { maxBytes: options.maxSize }),
    },
  });
  const devices = countDevices(openRegistry, listDevices, folder);
  const data = folder === './data/hub' ? '' : ` --data ${folder}`;
  process.stdout.write(
    [
      `hub      mqtts://${hub.names[0]}:${hub.mqttPort}  (listening on ${hub.listen}; answers to ${hub.names.join(', ')})`,
      ...(hub.httpsPort === undefined
        ? []
        : [`rest     https://${hub.names[0]}:${hub.httpsPort}  (dragoman hub connection-string --policy service${data})`]),
      ...(hub.amqpPort === undefined
        ? []
        : [`amqp     amqps://${hub.names[0]}:${hub.amqpPort}  (… --policy service --messages, and --events for telemetry)`]),
      `dps      ${hub.names[0]}:${hub.mqttPort}, id scope ${hub.idScope}`,
      `data     ${folder}`,
      `trust    ${hub.caFile ?? 'the CA that issued the given certificate'}`,
      devices === 0
        ? `devices  none yet: dragoman hub device create ID${data}`
        : `devices  ${devices}: dragoman hub device list${data}; connect one: dragoman hub connection-string --device ID${data}`,
      `look     dragoman hub tail${data}`,
      'Ctrl-C ends it.',
      '',
    ].join('\n'),
  );
  const cause = await Promise.race([hub.failed, aborted(stop.signal)]);
  if (cause) throw cause;
}

function countDevices(
  open: typeof import('../registry.ts').openRegistry,
  list: typeof import('../registry.ts').listDevices,
  folder: string,
): number {
  using db = open(folder);
  return list(db).length;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
}

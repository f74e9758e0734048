import type { Command } from 'commander';
import { registerFleetCommands } from './commands/fleet-commands.ts';
import { registerServiceCommands } from './commands/service-commands.ts';
import { examples, onFolder } from './commands/shared.ts';
import { parsePort, parseSize, parseSpan, parseTime } from './commands/values.ts';

/** Adds `dragoman hub` and what is below it. Nothing of the hub is loaded before a command runs. */
export function registerHubCommands(program: Command): void {
  const hub = program
    .command('hub')
    .summary('run the embedded hub, manage its devices, look at its telemetry')
    .description(
      'Runs the embedded hub: devices made for Azure IoT Hub connect over MQTT, services made for it over HTTPS and AMQP, all unchanged.',
    )
    .option('--data <dir>', 'folder of the hub: devices, sessions, telemetry, certificates (default: ./data/hub)')
    .option(
      '--host <name>',
      'name or address by which devices reach this hub; may be repeated. Any but localhost also opens the hub to other machines',
      collect,
    )
    .option(
      '--listen <address>',
      'address to listen on, * for every interface (default: this machine only, or every interface with --host)',
    )
    .option('--mqtt <port>', 'port of the MQTT listener (default: 8883)', parsePort)
    .option('--https <port>', 'port of the REST API; Azure SDKs know only 443 (default: 443 where this program may have it)', parsePort)
    .option('--no-https', 'no REST API')
    .option('--amqp <port>', 'port of AMQP for services and events (default: 5671 when it is free)', parsePort)
    .option('--no-amqp', 'no AMQP')
    .option('--dps-scope <id>', 'id scope of the provisioning service (default: the one of the last time)')
    .option('--policies <file>', 'shared access policies and their keys, YAML or JSON; they stay until another file is given')
    .option('--cert <file>', "the plant's own server certificate, PEM; with --key (default: one from the hub's own CA)")
    .option('--key <file>', 'private key of --cert, PEM')
    .option('--keep <span>', 'keep telemetry this long (default: 7d)', parseSpan)
    .option('--max-size <size>', 'keep at most this much telemetry, compressed, such as 500MB or 2GB (default: 2GB)', parseSize)
    .addHelpText(
      'after',
      examples(
        'dragoman hub',
        'dragoman hub --host hub.plant.local --https 8443 --policies policies.yaml',
        'dragoman hub device create gw-1',
      ),
    )
    .action(async (options, command) => (await import('./commands/run.ts')).runHub(options, command));

  registerDeviceCommands(hub);

  registerServiceCommands(hub);

  registerFleetCommands(hub);

  onFolder(hub.command('tail'))
    .description('Shows telemetry as it arrives, one line an event.')
    .option('--device <id>', 'only of this device')
    .option('--equipment <id>', 'only of this equipment')
    .option('--json', 'one event a line, as JSON')
    .addHelpText('after', examples('dragoman hub tail', 'dragoman hub tail --equipment cooker-1 --json'))
    .action(async (options, command) => (await import('./commands/telemetry.ts')).tail(options, command));

  onFolder(hub.command('query'))
    .description('Prints the events of a time range, one JSON object a line, in the order they arrived. Times are those of the events.')
    .option('--device <id>', 'only of this device')
    .option('--equipment <id>', 'only of this equipment')
    .option('--from <time>', 'from this time on, ISO 8601', parseTime)
    .option('--to <time>', 'before this time, ISO 8601', parseTime)
    .option('--last <span>', 'the last 30s, 10m, 2h, 7d', parseSpan)
    .option('--duplicates', 'also events that had arrived before')
    .addHelpText(
      'after',
      examples(
        'dragoman hub query --last 10m',
        'dragoman hub query --equipment cooker-1 --from 2026-11-24T08:00:00Z --to 2026-11-24T09:00:00Z',
      ),
    )
    .action(async (options, command) => (await import('./commands/telemetry.ts')).query(options, command));

  onFolder(hub.command('gaps'))
    .description(
      'Names sequence numbers that are missing, by gateway, and the losses that gateways explained. Exit code 1 when any is unexplained.',
    )
    .option('--device <id>', 'only of this device')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub gaps', 'dragoman hub gaps --json'))
    .action(async (options, command) => (await import('./commands/telemetry.ts')).gaps(options, command));
}

function registerDeviceCommands(hub: Command): void {
  const device = hub
    .command('device')
    .description('Makes, lists and changes the identities of devices; also while the hub runs.')
    .addHelpText('after', examples('dragoman hub device create gw-1', 'dragoman hub device list'));

  onFolder(device.command('create <id>'))
    .description('Makes an identity with two fresh keys, or with the thumbprint of its certificate, and prints its connection string.')
    .option('--edge', 'an IoT Edge device: it takes deployments and has modules')
    .option('--x509 <thumbprint>', 'SHA-1 or SHA-256 thumbprint of the client certificate, hex')
    .option('--json', 'as JSON, without keys')
    .addHelpText(
      'after',
      examples(
        'dragoman hub device create gw-1 --edge',
        'dragoman hub device create gw-2 --x509 $(openssl x509 -in gw-2.pem -noout -fingerprint | cut -d= -f2)',
      ),
    )
    .action(async (id, options, command) => (await import('./commands/device.ts')).create(id, options, command));

  onFolder(device.command('list'))
    .description('Lists the identities and who is connected.')
    .option('--json', 'as JSON, without keys')
    .addHelpText('after', examples('dragoman hub device list'))
    .action(async (options, command) => (await import('./commands/device.ts')).list(options, command));

  onFolder(device.command('show <id>'))
    .description('Shows one identity.')
    .option('--json', 'as JSON, without keys')
    .addHelpText('after', examples('dragoman hub device show gw-1'))
    .action(async (id, options, command) => (await import('./commands/device.ts')).show(id, options, command));

  for (const [name, enabled] of [
    ['disable', false],
    ['enable', true],
  ] as const) {
    onFolder(device.command(`${name} <id>`))
      .description(enabled ? 'Lets a device connect again.' : 'Shuts a device out; a connection it has ends within a second.')
      .addHelpText('after', examples(`dragoman hub device ${name} gw-1`))
      .action(async (id, _options, command) => (await import('./commands/device.ts')).setEnabled(id, enabled, command));
  }

  onFolder(device.command('edge <id>'))
    .description('Makes a device that is there an IoT Edge device, with $edgeAgent and $edgeHub. Its keys and all else stay.')
    .addHelpText('after', examples('dragoman hub device edge gw-1'))
    .action(async (id, _options, command) => (await import('./commands/device.ts')).edge(id, command));

  onFolder(device.command('delete <id>'))
    .description('Deletes an identity with its session and twin; its telemetry stays.')
    .addHelpText('after', examples('dragoman hub device delete gw-1'))
    .action(async (id, _options, command) => (await import('./commands/device.ts')).remove(id, command));
}

function collect(name: string, before: readonly string[] = []): readonly string[] {
  return [
    ...before,
    ...name
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  ];
}

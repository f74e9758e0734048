import { type Command, InvalidArgumentError } from 'commander';
import { examples, onFolder } from './shared.ts';
import { parseSpan } from './values.ts';

/** What services and people do with a hub: connection strings, enrollments, twins, methods, messages. */
export function registerServiceCommands(hub: Command): void {
  onFolder(hub.command('connection-string'))
    .description('Prints what a device or a service needs to connect: host, name and key.')
    .option('--device <id>', 'of this device')
    .option(
      '--policy <name>',
      'for a service, by this policy: iothubowner, service, device, registryRead, registryReadWrite or one of your own',
    )
    .option('--messages', 'for messages to devices: with the port of AMQP, when that is not 5671')
    .option('--events', 'for the telemetry, as an event hub')
    .addHelpText(
      'after',
      examples(
        'dragoman hub connection-string --device gw-1 > secrets/hub',
        'dragoman hub connection-string --policy service',
        'dragoman hub connection-string --policy service --events',
      ),
    )
    .action(async (options, command) => (await import('./connection-string.ts')).printConnectionString(options, command));

  registerEnrollmentCommands(hub);

  onFolder(hub.command('method <id> <name> [payload]'))
    .description('Calls a direct method of a device and prints its answer. Exit code 1 when the device says no. The hub must run.')
    .option('--module <name>', 'of this module of the device')
    .option('--timeout <span>', 'how long to wait for the answer, at most 5m (default: 30s)', parseSpan)
    .option('--connect-timeout <span>', 'how long to wait for it to connect and to listen for methods, at most 5m (default: 0s)', parseSpan)
    .option('--json', 'status and payload, as JSON')
    .addHelpText('after', examples('dragoman hub method gw-1 ping', `dragoman hub method gw-1 read '{"points":["jacket_temperature"]}'`))
    .action(async (id, name, payload, options, command) => (await import('./service.ts')).method(id, name, payload, options, command));

  onFolder(hub.command('send <id> <text>'))
    .description('Puts a message for a device into its queue, where it waits for an hour. The hub must run.')
    .option('--property <key=value>', 'an application property; may be repeated', collectProperty)
    .addHelpText('after', examples(`dragoman hub send gw-1 '{"horn":true}' --property line=7`))
    .action(async (id, text, options, command) => (await import('./service.ts')).send(id, text, options, command));
}

function registerEnrollmentCommands(hub: Command): void {
  const enrollment = hub
    .command('enrollment')
    .description('Says which devices may provision themselves, and how they prove who they are; also while the hub runs.')
    .addHelpText('after', examples('dragoman hub enrollment create gw-1', 'dragoman hub enrollment create leeds --group'));

  onFolder(enrollment.command('create <id>'))
    .description(
      'Makes an enrollment of one device (its registration id) or of a group, with fresh keys or a certificate. Takes the place of one of this name.',
    )
    .option('--group', 'for a group: each device has a key made of the group key, or a certificate of one authority')
    .option('--primary-key <key>', 'base64 (default: a fresh one)')
    .option('--secondary-key <key>', 'base64 (default: a fresh one)')
    .option('--x509 <thumbprint>', 'one device: SHA-1 or SHA-256 thumbprint of its certificate, hex')
    .option('--ca <file>', 'a group: certificate of the authority, PEM')
    .option('--device-id <id>', 'one device: its id at the hub (default: the registration id)')
    .option('--twin <json>', 'tags and properties.desired that the twin starts with', parseJson)
    .option('--json', 'as JSON, with keys')
    .addHelpText(
      'after',
      examples('dragoman hub enrollment create gw-1', `dragoman hub enrollment create leeds --group --twin '{"tags":{"site":"leeds"}}'`),
    )
    .action(async (id, options, command) => (await import('./enrollment.ts')).create(id, options, command));

  onFolder(enrollment.command('list'))
    .description('Lists the enrollments, without keys.')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub enrollment list'))
    .action(async (options, command) => (await import('./enrollment.ts')).list(options, command));

  onFolder(enrollment.command('key <group> <registration>'))
    .description('Prints the key of one device of a group, made of the primary key of the group.')
    .addHelpText('after', examples('dragoman hub enrollment key leeds gw-7'))
    .action(async (group, registration, _options, command) => (await import('./enrollment.ts')).key(group, registration, command));

  onFolder(enrollment.command('delete <id>'))
    .description('Deletes an enrollment; devices that it let in stay.')
    .option('--group', 'the group of this name')
    .addHelpText('after', examples('dragoman hub enrollment delete gw-1', 'dragoman hub enrollment delete leeds --group'))
    .action(async (id, options, command) => (await import('./enrollment.ts')).remove(id, options, command));
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`Write JSON: ${(error as Error).message}`);
  }
}

export function collectProperty(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Write key=value.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

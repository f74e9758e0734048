import { Command, CommanderError } from 'commander';
import { registerHubCommands } from '../hub/commands.ts';
import { GatewayError } from '../model/error.ts';
import { registerChangeCommands } from './commands/change-commands.ts';
import { registerDeploymentCommands } from './commands/deployment-commands.ts';
import { packageVersion } from './version.ts';

/** Runs one command line and resolves with the exit code: 0 what was asked holds, 1 it does not, 2 the call was wrong. */
export async function runCli(args: readonly string[]): Promise<number> {
  let code = 0;
  const program = buildProgram((result) => {
    code = result;
  });
  if (args.length === 0) {
    program.outputHelp();
    return 2;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOf(error);
    if (error instanceof GatewayError) {
      process.stderr.write(`${error.message}${error.hint === undefined ? '' : `\n  ${error.hint}`}\n`);
      return 1;
    }
    throw error;
  }
}

/** Commander ends with 1 when the call was wrong; with us that is 2. Help and version that were asked for are fine. */
function exitCodeOf(error: CommanderError): number {
  if (error.exitCode === 0) return 0;
  return error.code.startsWith('commander.') ? 2 : error.exitCode;
}

/** Not variadic: what follows the option is a path again. */
function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function examples(...lines: readonly string[]): string {
  return `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
}

/** Every action loads its own modules: `dragoman check` must not pay for what `run` needs. */
function buildProgram(finish: (code: number) => void): Command {
  const program = new Command('dragoman')
    .description('Protocol translation gateway for brownfield factories')
    .version(packageVersion(), '--version', 'print the version')
    .showHelpAfterError('(--help shows how it is called)')
    .exitOverride();

  program
    .command('run')
    .summary('run the gateway')
    .description('Runs the gateway: reads the machines of the mapping files and forwards their readings to the hub, until Ctrl-C.')
    .option('--config <file>', 'configuration of the gateway', 'dragoman.yaml')
    .addHelpText('after', examples('dragoman run --config dragoman.yaml'))
    .action(async (options) => finish(await (await import('./commands/run.ts')).run(options)));

  program
    .command('init')
    .summary('set up an empty box')
    .description(
      'Writes the configuration of a gateway that provisions itself, and tests the way to its hub step by step. Asks on a terminal for what is not given.',
    )
    .option('--id-scope <scope>', 'ID scope of the provisioning service')
    .option('--registration-id <id>', 'registration id; default: the id of the gateway')
    .option('--key-file <file>', 'key of the individual enrollment, base64')
    .option('--group-key-file <file>', 'key of the enrollment group, base64')
    .option('--certificate <file>', 'certificate of the device with its chain, PEM')
    .option('--private-key <file>', 'private key of the certificate, PEM')
    .option('--endpoint <host>', 'provisioning service, where it is not the public one; may carry :port')
    .option('--ca <file>', 'root of a private provisioning service and hub, PEM')
    .option('--gateway <id>', 'id of the gateway')
    .option('--path <path>', 'where it stands, ISA-95: enterprise/site')
    .option('--file <file>', 'configuration to write', 'dragoman.yaml')
    .option('--force', 'overwrite what is there')
    .addHelpText('after', examples('dragoman init', 'dragoman init --id-scope 0ne00A1B2C3 --group-key-file group.key --gateway gw-leeds-1'))
    .action(async (options) => finish(await (await import('./commands/init.ts')).init(options)));

  program
    .command('check')
    .summary('check mapping files')
    .description('Reports every problem of the mapping files, and runs their samples. Needs no machine.')
    .argument('<path...>', 'mapping files or folders')
    .option('--json', 'problems as one JSON array')
    .option(
      '--adapter <name>',
      'an adapter that does not come with Dragoman, a package or a folder that begins with ./; may be repeated',
      collect,
      [],
    )
    .addHelpText('after', examples('dragoman check mappings/', 'dragoman check --json mappings/cooker-1.yaml'))
    .action(async (paths, options) => finish(await (await import('./commands/check.ts')).check(paths, options)));

  program
    .command('test')
    .summary('run the samples of mapping files')
    .description('Runs the samples of the mapping files: raw values in, expected readings out, each step shown where they differ.')
    .argument('<path...>', 'mapping files or folders')
    .option('--json', 'results as one JSON array')
    .option(
      '--adapter <name>',
      'an adapter that does not come with Dragoman, a package or a folder that begins with ./; may be repeated',
      collect,
      [],
    )
    .addHelpText('after', examples('dragoman test mappings/cooker-1.yaml'))
    .action(async (paths, options) => finish(await (await import('./commands/check.ts')).testSamples(paths, options)));

  program
    .command('read')
    .summary('read machines once')
    .description(
      'Connects once and shows raw value, value, unit, quality and time of every point. Exit code 1 when a machine did not answer at all.',
    )
    .argument('<path...>', 'mapping files or folders')
    .option('--equipment <id...>', 'only these machines')
    .option('--data <dir>', 'folder with the certificates and secrets of the gateway', './data')
    .option('--json', 'readings as one JSON array')
    .option(
      '--adapter <name>',
      'an adapter that does not come with Dragoman, a package or a folder that begins with ./; may be repeated',
      collect,
      [],
    )
    .addHelpText('after', examples('dragoman read mappings/cooker-1.yaml', 'dragoman read mappings --equipment mixer-1 --json'))
    .action(async (paths, options) => finish(await (await import('./commands/read.ts')).read(paths, options)));

  program
    .command('watch')
    .summary('watch readings live')
    .description('Shows every reading that would be sent, as it happens, until Ctrl-C. Needs no hub.')
    .argument('<path...>', 'mapping files or folders')
    .option('--equipment <id...>', 'only these machines')
    .option('--data <dir>', 'folder with the certificates and secrets of the gateway', './data')
    .option('--json', 'one reading a line, as JSON')
    .option(
      '--adapter <name>',
      'an adapter that does not come with Dragoman, a package or a folder that begins with ./; may be repeated',
      collect,
      [],
    )
    .addHelpText('after', examples('dragoman watch mappings/cooker-1.yaml'))
    .action(async (paths, options) => finish(await (await import('./commands/watch.ts')).watch(paths, options)));

  program
    .command('trust')
    .summary('show and accept certificates of OPC UA servers')
    .description('Without a fingerprint: shows our own certificate and those of the servers that were met. With one: trusts that server.')
    .argument('[fingerprint]', 'the first characters of the SHA-1 or SHA-256 fingerprint of a pending certificate')
    .option('--data <dir>', 'data folder of the gateway', './data')
    .option('--reject', 'refuse the certificate instead')
    .option('--export <file>', 'write our own certificate to a file (.der or .pem), for the administrator of the server')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman trust', 'dragoman trust 3f9a', 'dragoman trust --export gateway.der'))
    .action(async (fingerprint, options) => finish(await (await import('./commands/trust.ts')).trust(fingerprint, options)));

  program
    .command('write')
    .summary('write one value to a machine')
    .description(
      'Writes one value past all guards of the mapping, without a running gateway: connects once, asks, writes, reads back. With a running gateway: dragoman call write.',
    )
    .argument('<equipment>', 'id of the machine')
    .argument('<point>', 'name of the point; it needs write: in the mapping')
    .argument('<value>', 'in the unit that leaves')
    .option('--mappings <path...>', 'mapping files or folders', ['./mappings'])
    .option('--data <dir>', 'folder with journal, audit log, certificates and secrets of the gateway', './data')
    .option('--dry-run', 'all guards, nothing is sent')
    .option('--yes', 'do not ask')
    .option('--json', 'the report as JSON')
    .option('--adapter <name>', 'an adapter that does not come with Dragoman; may be repeated', collect, [])
    .addHelpText('after', examples('dragoman write cooker-1 setpoint 95 --dry-run'))
    .action(async (equipment, point, value, options) =>
      finish(await (await import('./commands/write.ts')).write(equipment, point, value, options)),
    );

  const audit = program.command('audit').summary('verify and show the log of who did what');
  audit
    .command('verify')
    .description('Proves that no entry was changed, removed or moved. Exit code 1 where one was, with its place.')
    .option('--data <dir>', 'data folder of the gateway', './data')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman audit verify'))
    .action(async (options) => finish(await (await import('./commands/audit.ts')).auditVerify(options)));
  audit
    .command('show')
    .description('Shows entries, oldest first.')
    .option('--data <dir>', 'data folder of the gateway', './data')
    .option('--kind <kind...>', 'write, writes, configuration, trust, deployment, log')
    .option('--who <text>', 'who asked')
    .option('--target <text>', 'on what: cooker-1/setpoint')
    .option('--outcome <word>', 'done, refused, failed, unknown')
    .option('--since <time>', 'a time (2026-11-24T08:00Z) or an age (2h)')
    .option('--until <time>', 'a time or an age')
    .option('--last <count>', 'only so many of the latest')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman audit show --last 20', 'dragoman audit show --kind write --since 24h'))
    .action(async (options) => finish(await (await import('./commands/audit.ts')).auditShow(options)));

  program
    .command('call')
    .summary('call a method of the running gateway')
    .description('Calls a direct method of the gateway that runs on this machine, as a hub does. "methods" lists them.')
    .argument('<name>', 'name of the method')
    .argument('[payload]', 'JSON')
    .option('--data <dir>', 'data folder of the gateway', './data')
    .addHelpText(
      'after',
      examples(
        'dragoman call methods',
        `dragoman call read '{"equipment":"cooker-1"}'`,
        'dragoman call log-level \'{"level":"debug","for":"10m"}\'',
      ),
    )
    .action(async (name, payload, options) => finish(await (await import('./commands/call.ts')).call(name, payload, options)));

  program
    .command('dead-letters')
    .summary('show what hubs refused for good')
    .description('Lists the messages that a hub will never take, with its reason; with an id, shows the whole message.')
    .argument('[id]', 'id of a message')
    .option('--data <dir>', 'data folder of the gateway', './data')
    .option('--remove', 'remove them after they were shown')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman dead-letters', 'dragoman dead-letters gw-1-104233-104240'))
    .action(async (id, options) => finish(await (await import('./commands/dead-letters.ts')).deadLetters(id, options)));

  program
    .command('simulate')
    .summary('run a simulated machine')
    .description(
      'Runs one of the machines of the demo until Ctrl-C: cooker (Modbus TCP), mixer (OPC UA), sensor (MQTT, with its broker), conveyor (AMQP 1.0, connects to a gateway that listens).',
    )
    .argument('<machine>', 'cooker, mixer, sensor or conveyor')
    .option('--port <port>', 'port to listen on, or to connect to (default: 5020, 4840, 1883, 5672)')
    .option('--listen <address>', 'address to listen on, or to connect to', '127.0.0.1')
    .option('--data <dir>', 'folder for the certificate of the mixer', './data/simulate')
    .option('--fault-every <duration>', 'a fault begins about this often; 0s: none', '60s')
    .addHelpText('after', examples('dragoman simulate cooker --port 5020'))
    .action(async (machine, options) => finish(await (await import('./commands/simulate.ts')).simulate(machine, options)));

  program
    .command('demo')
    .summary('run a small candy factory')
    .description(
      'Brings up a cooker (Modbus TCP), a mixer (OPC UA), a sensor (MQTT), a conveyor (AMQP), the embedded hub and the gateway between them, until Ctrl-C.',
    )
    .option('--data <dir>', 'folder for everything that the demo keeps', './data/demo')
    .addHelpText('after', examples('dragoman demo'))
    .action(async (options) => finish(await (await import('./commands/demo.ts')).demo(options)));

  registerChangeCommands(program, finish);
  registerDeploymentCommands(program, finish);
  registerHubCommands(program);
  inheritExit(program);
  return program;
}

/** Sub-commands made by others end through us as well, never by process.exit. */
function inheritExit(command: Command): void {
  for (const sub of command.commands) {
    sub.exitOverride();
    inheritExit(sub);
  }
}

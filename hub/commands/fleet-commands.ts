import { type Command, InvalidArgumentError, Option } from 'commander';
import { rolloutActions } from '../deployments/rollout/contract.ts';
import { collectProperty, parseJson } from './service-commands.ts';
import { examples, onFolder } from './shared.ts';

/** Many gateways at once: deployments by condition, and what each gateway is and has. All of these ask the hub that runs. */
export function registerFleetCommands(hub: Command): void {
  registerDeploymentCommands(hub);

  onFolder(hub.command('devices'))
    .description('Shows all devices: who is connected, tags, which deployment each has, and what it said of it. The hub must run.')
    .option('--target <condition>', "only those of this condition, such as tags.site = 'leeds'")
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub devices', `dragoman hub devices --target "tags.site = 'leeds'"`))
    .action(async (options, command) => (await import('./devices.ts')).devices(options, command));

  onFolder(hub.command('twin <id>'))
    .description(
      'Shows the twin of a device or module (DEVICE/MODULE), or changes its tags and desired properties first. The hub must run.',
    )
    .option(
      '--set <path=value>',
      'tags.site=leeds, desired.rate=5; a value is JSON or else text, null removes; may be repeated',
      collectSet,
    )
    .option('--desired <file>', 'JSON file that is merged into the desired properties')
    .option('--patch <json>', 'JSON with tags and properties.desired; null removes a property', parseJson)
    .option('--module <name>', 'of this module of the device')
    .option('--json', 'on one line')
    .addHelpText(
      'after',
      examples(
        'dragoman hub twin gw-1',
        'dragoman hub twin gw-1 --set tags.site=leeds --set desired.rate=5',
        'dragoman hub twin gw-1/filter --desired limits.json',
        `dragoman hub twin gw-1 --patch '{"tags":{"site":"leeds"},"properties":{"desired":{"rate":5}}}'`,
      ),
    )
    .action(async (id, options, command) => (await import('./twin.ts')).twin(id, options, command));
}

function registerDeploymentCommands(hub: Command): void {
  const deployments = hub
    .command('deployments')
    .description('Deployments by condition: which gateways run what. The hub must run.')
    .addHelpText(
      'after',
      examples(
        'dragoman hub deployments',
        `dragoman hub deployments create line-v2.json --target "tags.site = 'leeds'" --priority 20`,
        'dragoman hub deployments rollout line-v2',
      ),
    );

  onFolder(deployments.command('list', { isDefault: true }))
    .description('Lists them with how many gateways have each, and what those said.')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub deployments', 'dragoman hub deployments list --json'))
    .action(async (options, command) => (await import('./deployments.ts')).list(options, command));

  onFolder(deployments.command('show <id>'))
    .description('Shows one: target, priority, labels, figures, rollout, and its content.')
    .option('--json', 'as JSON, as the REST API has it')
    .addHelpText('after', examples('dragoman hub deployments show line-v2'))
    .action(async (id, options, command) => (await import('./deployments.ts')).show(id, options, command));

  withFields(onFolder(deployments.command('create <file>')))
    .description(
      'Makes one out of a deployment manifest (JSON), a layered one, Kubernetes YAML, or the configuration JSON of Azure. Its content never changes afterwards.',
    )
    .option('--id <id>', 'its name, in lower case (default: the one in the file, or the name of the file)')
    .option('--metric <name=query>', 'a figure of your own: the rows of a query; may be repeated', collectProperty)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        `dragoman hub deployments create line-v2.json --target "tags.site = 'leeds'" --priority 20`,
        `dragoman hub deployments create line-v2.json --target "*" --label "rolloutPhases=1, 10%, 50%" --label rolloutFailureLimit=10%`,
      ),
    )
    .action(async (file, options, command) => (await import('./deployments.ts')).create(file, options, command));

  withFields(onFolder(deployments.command('update <id>')))
    .description('Changes target, priority and labels of one; what is not given stays.')
    .option('--metric <name=query>', 'figures of your own, instead of those it has; may be repeated', collectProperty)
    .option('--json', 'as JSON')
    .addHelpText('after', examples(`dragoman hub deployments update line-v2 --target "tags.site IN ['leeds', 'york']"`))
    .action(async (id, options, command) => (await import('./deployments.ts')).update(id, options, command));

  onFolder(deployments.command('delete <id>'))
    .description('Deletes one. Gateways that had it get the next best; those for whom there is none keep what they have.')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub deployments delete line-v1'))
    .action(async (id, options, command) => (await import('./deployments.ts')).remove(id, options, command));

  onFolder(deployments.command('metrics <id>'))
    .description('Figures of one, as they are now, with the queries behind them.')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub deployments metrics line-v2'))
    .action(async (id, options, command) => (await import('./deployments.ts')).metrics(id, options, command));

  onFolder(deployments.command('rollout <id> [action]'))
    .description(`Shows the rollout of one, or steers it: ${rolloutActions.join(', ')}. Exit code 1 when it was stopped or taken back.`)
    .option('--json', 'as JSON')
    .addHelpText('after', examples('dragoman hub deployments rollout line-v2', 'dragoman hub deployments rollout line-v2 rollback'))
    .action(async (id, action, options, command) => (await import('./deployments.ts')).rollout(id, action, options, command));
}

const withFields = (command: Command): Command =>
  command
    .addOption(new Option('--target <condition>', 'condition over deviceId, tags and properties.reported; * is every edge device'))
    .option('--priority <number>', 'larger wins, of equal ones the newest (default for a new one: 10)', parsePriority)
    .option('--label <key=value>', 'may be repeated; null as value removes it. rolloutPhases makes a rollout', collectProperty);

function parsePriority(text: string): number {
  const priority = Number(text);
  if (!/^\d+$/.test(text) || priority > 2_147_483_647) throw new InvalidArgumentError('Write a whole number from 0 on.');
  return priority;
}

function collectSet(text: string, before: readonly (readonly [string, string])[] = []): readonly (readonly [string, string])[] {
  const equals = text.indexOf('=');
  const path = text.slice(0, Math.max(equals, 0));
  if (!/^(tags|desired|properties\.desired)(\.[^.]+)+$/.test(path))
    throw new InvalidArgumentError('Write tags.NAME=VALUE or desired.NAME=VALUE.');
  return [...before, [path, text.slice(equals + 1)]];
}

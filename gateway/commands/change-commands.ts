import type { Command } from 'commander';

/** `dragoman config …` and `dragoman shadow …`; each action loads its own modules. */
export function registerChangeCommands(program: Command, finish: (code: number) => void): void {
  registerConfig(program, finish);
  registerShadow(program, finish);
}

const dataFolder = ['--data <dir>', 'data folder of the gateway', './data'] as const;

function registerConfig(program: Command, finish: (code: number) => void): void {
  const config = program
    .command('config')
    .summary('show and take back what was put in force')
    .description('Every configuration that a gateway ran is a numbered snapshot: mapping files and settings, who, when, from where.');

  config
    .command('history')
    .description('Lists the snapshots, the one in force first. Needs no running gateway.')
    .option(...dataFolder)
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ dragoman config history\n')
    .action(async (options) => finish(await (await import('./config.ts')).configHistory(options)));

  config
    .command('diff')
    .description('Shows what differs between two snapshots, file by file, and what it means for the machines. Needs no running gateway.')
    .argument('[from]', 'a snapshot; left out: the one before')
    .argument('[to]', 'a snapshot; left out: the one in force')
    .option(...dataFolder)
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExamples:\n  $ dragoman config diff\n  $ dragoman config diff 4 6\n')
    .action(async (from, to, options) => finish(await (await import('./config.ts')).configDiff(from, to, options)));

  config
    .command('rollback')
    .description('Puts an older snapshot in force again, as a new one, in the gateway that runs.')
    .argument('<snapshot>', 'its number')
    .option(...dataFolder)
    .option('--note <text>', 'why; stands in the history')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ dragoman config rollback 4\n')
    .action(async (snapshot, options) => finish(await (await import('./config.ts')).configRollback(snapshot, options)));
}

function registerShadow(program: Command, finish: (code: number) => void): void {
  const shadow = program
    .command('shadow')
    .summary('run a new mapping beside the old one')
    .description('Compares a new mapping with the one that runs, on the same bytes: which points differ, by how much, how often.');

  shadow
    .command('start')
    .description('Begins to compare, in the gateway that runs. Nothing of the new mapping leaves before it is promoted.')
    .argument('<file>', 'the new mapping file')
    .option(...dataFolder)
    .option('--for <duration>', 'how long to compare; default: 1h, or twice --promote-after')
    .option('--promote-after <duration>', 'put it in force after so long without a difference beyond what is allowed')
    .option(
      '--max-difference <number>',
      'what numbers may differ by: 0.1, or point=0.1, which may be repeated',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option('--max-different-share <share>', 'share of the samples of a point that may differ by more, 0 to 1')
    .option('--name <file>', 'name that the file gets when it is promoted; default: its own')
    .option('--note <text>', 'why; stands in the report')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ dragoman shadow start new/cooker-1.yaml --for 1h\n  $ dragoman shadow start new/cooker-1.yaml --promote-after 1h --max-difference jacket_temperature=0.1\n',
    )
    .action(async (file, options) => finish(await (await import('./shadow.ts')).shadowStart(file, options)));

  shadow
    .command('status')
    .description('Shows which points differ, by how much, how often.')
    .argument('[id]', 'a shadow run; left out: the one under way, or the newest')
    .option(...dataFolder)
    .option('--all', 'every run, one a line')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ dragoman shadow status\n')
    .action(async (id, options) => finish(await (await import('./shadow.ts')).shadowStatus(id, options)));

  for (const [name, text, run] of [
    ['promote', 'Puts the new mapping in force.', 'shadowPromote'],
    ['drop', 'Ends a shadow run; the mapping that runs goes on.', 'shadowDrop'],
  ] as const) {
    shadow
      .command(name)
      .description(text)
      .argument('[id]', 'a shadow run; left out: the one under way, or the newest')
      .option(...dataFolder)
      .option('--note <text>', 'why; stands in the history')
      .option('--json', 'as JSON')
      .addHelpText('after', `\nExample:\n  $ dragoman shadow ${name}\n`)
      .action(async (id, options) => finish(await (await import('./shadow.ts'))[run](id, options)));
  }
}

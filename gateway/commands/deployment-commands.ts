import type { Command } from 'commander';

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

const deployment = ['<file>', 'deployment manifest (JSON), or Deployment of Kubernetes (.yaml); -: standard input'] as const;

const dataFolder = ['--data <dir>', 'data folder of the gateway', './data'] as const;

/** `dragoman plan`, `deploy`, `modules` and `route …`; each action loads its own modules. */
export function registerDeploymentCommands(program: Command, finish: (code: number) => void): void {
  program
    .command('plan')
    .summary('check a deployment and show what it would do')
    .description(
      'Reads a deployment manifest of IoT Edge, says all that is wrong with it, and prints the steps from nothing to what it asks for.',
    )
    .argument(...deployment)
    .option('--from <file>', 'the manifest that runs now; the steps are from that one to the new one')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExamples:\n  $ dragoman plan deployment.json\n  $ dragoman plan deployment.json --from yesterday.json\n')
    .action(async (file, options) => finish(await (await import('./plan.ts')).planDeployment(file, options)));

  program
    .command('deploy')
    .summary('have the running gateway carry out a deployment')
    .description(
      'Checks a deployment, shows what it does to what runs, and has the gateway on this machine carry it out. What fails is taken back: then what ran before runs on.',
    )
    .argument(...deployment)
    .option(...dataFolder)
    .option('--dry-run', 'only check and show')
    .option('--no-wait', 'do not wait until it runs')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ dragoman deploy deployment.json --dry-run\n  $ dragoman deploy deployment.json\n  $ docker exec -i dragoman dragoman deploy - < deployment.json\n',
    )
    .action(async (file, options) => finish(await (await import('./deploy.ts')).deploy(file, options)));

  registerModules(program, finish);

  program
    .command('export')
    .summary('write a deployment in another form')
    .description(
      'Writes a deployment as a Deployment with ConfigMaps for Kubernetes (the virtual kubelet of IoT Edge), or as a manifest of IoT Edge.',
    )
    .argument(...deployment)
    .requiredOption('--to <form>', 'kubernetes or manifest')
    .option('--id <id>', 'name of the deployment; default: that of the file')
    .option('--target <condition>', "for which gateways: tags.site='leeds'")
    .option('--priority <number>', 'the larger one wins', '10')
    .addHelpText('after', '\nExample:\n  $ dragoman export deployment.json --to kubernetes > deployment.yaml\n')
    .action(async (file, options) => finish(await (await import('./export.ts')).exportDeployment(file, options)));

  const route = program
    .command('route')
    .summary('check the routes of a deployment and try them')
    .description('Routes say which messages of which module go where: FROM source WHERE condition INTO sink.');

  route
    .command('check')
    .description('Reads the routes of a manifest and says all that is wrong with them.')
    .argument(...deployment)
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ dragoman route check deployment.json\n')
    .action(async (file, options) => finish(await (await import('./route.ts')).routeCheck(file, options)));

  route
    .command('test')
    .description('Shows where a message would go, and for each route why it does or does not take it. 1 when it would go nowhere.')
    .argument(...deployment)
    .requiredOption('--source <path>', 'where it comes from: MODULE, MODULE/OUTPUT, or a whole path such as /messages/*')
    .option('--property <name=value>', 'an application property (may be repeated)', collect, [])
    .option('--system <name=value>', 'a system property such as contentType=application/json (may be repeated)', collect, [])
    .option('--body <text>', 'its body, or @FILE; JSON sets contentType')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  $ dragoman route test deployment.json --source dragoman/cooker-1 --property equipment=cooker-1\n  $ dragoman route test deployment.json --source score/alarms --body '{"over": 12}'\n`,
    )
    .action(async (file, options) => finish(await (await import('./route.ts')).routeTest(file, options)));
}

function registerModules(program: Command, finish: (code: number) => void): void {
  const modules = program
    .command('modules')
    .summary('show the modules of the running gateway')
    .description('Shows what runs, what should run, and what waits in the queues of routes.')
    .option(...dataFolder)
    .option('--json', 'as JSON')
    .action(async (options) => finish(await (await import('./modules.ts')).showModules(options)));

  modules
    .command('restart')
    .description('Starts the container of a module anew.')
    .argument('<module>', 'its name')
    .option(...dataFolder)
    .action(async (module, options) => finish(await (await import('./modules.ts')).restartModule(module, options)));

  modules
    .command('logs')
    .description('Prints the last lines of a module.')
    .argument('<module>', 'its name')
    .option(...dataFolder)
    .option('--tail <lines>', 'how many', '100')
    .option('--since <time>', 'a duration such as 10m, or a time')
    .addHelpText('after', '\nExample:\n  $ dragoman modules logs score --since 10m\n')
    .action(async (module, options) => finish(await (await import('./modules.ts')).moduleLogs(module, options)));
}

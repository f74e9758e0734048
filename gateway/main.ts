import { runCli } from './cli.ts';

const code = await runCli(process.argv.slice(2));
// Libraries leave timers behind; what was printed into a pipe must be out before we go.
process.stdout.write('', () => process.exit(code));

import { runCli } from './cli.ts';

// `| head` hangs up early: not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
const code = await runCli(process.argv.slice(2));
// Libraries leave timers behind; what was printed into a pipe must be out before we go.
process.stdout.write('', () => process.exit(code));

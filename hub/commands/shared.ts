import type { Command } from 'commander';

export const defaultFolder = './data/hub';

/** `--data` may stand anywhere on the line; the hub command itself takes it. */
export function folderOf(command: Command): string {
  return (command.optsWithGlobals().data as string | undefined) ?? defaultFolder;
}

/** `gw-1`, or `gw-1/score` for a module (which an option may name instead), as it stands in the paths of twins and methods. */
export function twinPath(id: string, option: string | undefined, command: Command): string {
  const [device = '', module, ...more] = id.split('/');
  if (more.length > 0 || (module !== undefined && option !== undefined)) command.error('write DEVICE or DEVICE/MODULE', { exitCode: 2 });
  const name = module ?? option;
  return name === undefined ? encodeURIComponent(device) : `${encodeURIComponent(device)}/modules/${encodeURIComponent(name)}`;
}

/** Taken by `hub` wherever it stands on the line; named here for the help. */
export const onFolder = (command: Command): Command => command.option('--data <dir>', 'folder of the hub (default: ./data/hub)');

export const examples = (...lines: readonly string[]): string => `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;

/** Aborts at Ctrl-C or SIGTERM, as long as it is in use. */
export function interrupted(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  process.on('SIGINT', abort).on('SIGTERM', abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off('SIGINT', abort).off('SIGTERM', abort);
    },
  };
}

/** Waits when the reader of a pipe is slower; false when it has gone (`| head`). */
export async function print(line: string): Promise<boolean> {
  if (process.stdout.destroyed || process.stdout.errored) return false;
  if (process.stdout.write(`${line}\n`)) return true;
  return new Promise((resolve) => {
    const finish = (alive: boolean): void => {
      process.stdout.off('drain', drained).off('close', gone);
      resolve(alive);
    };
    const drained = (): void => finish(true);
    const gone = (): void => finish(false);
    process.stdout.on('drain', drained).on('close', gone);
  });
}

/** `| head` hangs up early: not an error of ours. */
export function toleratePipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

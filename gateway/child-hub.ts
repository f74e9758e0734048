import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { GatewayError, NotConnectedError } from '../model/error.ts';

/** `main.ts` beside the sources, `main.js` in the compiled package. */
export function entryPoint(relativeTs: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return fileURLToPath(new URL(relativeTs.replace(/\.ts$/, extension), import.meta.url));
}

export interface ChildHub extends AsyncDisposable {
  /** Port of its MQTT listener. */
  readonly port: number;
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
}

export interface ChildHubOptions {
  readonly folder: string;
  readonly port: number;
  /** Ports for services; absent or false: none. */
  readonly https?: number | false;
  readonly amqp?: number | false;
  readonly policies?: string | undefined;
}

/** Runs the embedded hub as a process of its own: it may crash or be upgraded without the gateway, and costs its own memory. */
export async function startChildHub(options: ChildHubOptions, signal: AbortSignal): Promise<ChildHub> {
  const { folder, https, amqp, policies } = options;
  const more = Object.entries({ https, amqp, policies }).flatMap(([flag, value]) =>
    value === undefined || value === false ? [] : [`--${flag}`, String(value)],
  );
  const args = [entryPoint('../hub/main.ts'), '--data', folder, '--mqtt', String(options.port), ...more];
  // The hub ends when its stdin closes, so it can never outlive us, not even after kill -9.
  // A group of its own: Ctrl-C must reach us alone, so that what is on its way still arrives there.
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const port = await ready(child, signal);
  return {
    port,
    exited,
    async [Symbol.asyncDispose]() {
      child.stdin?.end();
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 1_000);
      await exited;
      clearTimeout(late);
    },
  };
}

/** The first line that the hub says. */
type Said =
  | { readonly ready: true; readonly mqtt: number }
  | { readonly ready: false; readonly code: string; readonly reason: string; readonly hint?: string };

function ready(child: ChildProcess, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    let refused: GatewayError | undefined;
    const abort = (): void => {
      child.kill('SIGTERM');
      reject(new NotConnectedError('hub-stopped', 'the embedded hub was stopped while starting', { retry: 'with-backoff' }));
    };
    signal.addEventListener('abort', abort, { once: true });
    const lines = createInterface({ input: child.stdout! });
    lines.on('line', (line) => {
      const said = JSON.parse(line) as Said;
      if (said.ready) {
        signal.removeEventListener('abort', abort);
        resolve(said.mqtt);
      } else refused = cannotStart(said);
    });
    // Not `exit`: what it said may still be on its way.
    child.once('close', (code) => {
      signal.removeEventListener('abort', abort);
      const hint = 'what it said stands above; "dragoman hub" starts it alone';
      reject(
        refused ?? new GatewayError('hub-start', `the embedded hub ended at start with code ${code}`, { retry: 'with-backoff', hint }),
      );
    });
  });
}

/** Whoever runs it alone sets with flags what is a key of `hub:` here. */
function cannotStart({ code, reason, hint }: Extract<Said, { ready: false }>): GatewayError {
  const keys = hint?.replace(
    /--(mqtt|https|amqp|data|policies)\b/g,
    (_, flag) => `hub.${flag === 'mqtt' ? 'port' : flag} in dragoman.yaml`,
  );
  return new GatewayError(code, `the embedded hub does not start: ${reason}`, {
    retry: 'with-backoff',
    ...(keys !== undefined && { hint: keys }),
  });
}

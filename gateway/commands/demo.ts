import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { StoredEvent } from '../../hub/telemetry/reader.ts';
import { GatewayError } from '../../model/error.ts';
import { entryPoint } from '../child-hub.ts';
import { aborted, onInterrupt } from '../interrupt.ts';
import { packageVersion } from '../version.ts';
import { conveyorPassword, type DemoMachine, demoMachines } from './demo-machines.ts';

const stopWithinMs = 1_700;
const sayEveryMs = 10_000;

/** The port each part would like; a free one is taken where it is in use. */
const wishes: Readonly<Record<string, number>> = {
  ...Object.fromEntries(demoMachines.map(({ name, port }) => [name, port])),
  hub: 8883,
  status: 8080,
};
type Ports = Readonly<Record<string, number>>;

/** `dragoman demo`: every part is a process of its own, as in a plant, so that each can be killed to see what happens. */
export async function demo(options: { data: string }): Promise<number> {
  const stop = onInterrupt();
  const folder = resolve(options.data);
  const ports = await choosePorts();
  const config = await writeFiles(folder, ports);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`dragoman ${packageVersion()}: a candy factory, all of it on this machine\n`);
  await using factory = new Factory(say, stop);
  const start = async ({ name, faultEvery }: DemoMachine): Promise<void> =>
    factory.start(name, ['simulate', name, '--port', String(ports[name]), '--data', folder, '--fault-every', faultEvery], /ready /);
  await Promise.all(demoMachines.filter(({ connects }) => !connects).map(start));
  if (stop.aborted) return 0;
  await factory.start('gateway', ['run', '--config', config], /status/);
  if (stop.aborted) return 0;
  await Promise.all(demoMachines.filter(({ connects }) => connects).map(start));
  if (stop.aborted) return 0;
  const here = (path: string): string => relative(process.cwd(), path) || '.';
  for (const { name, protocol, where } of demoMachines)
    say(`  ${name.padEnd(9)} ${protocol}, ${where(ports[name]!)}   pid ${factory.pid(name)}`);
  say(`  gateway   http://127.0.0.1:${ports.status}/status   pid ${factory.pid('gateway')}`);
  say(`  hub       embedded, localhost:${ports.hub}`);
  say(`\nEdit ${here(join(folder, 'mappings'))}/*.yaml and save: the change runs at once.`);
  say(
    `In a second terminal: npx dragoman hub tail --data ${here(join(folder, 'hub'))}   or   npx dragoman read ${here(join(folder, 'mappings'))}`,
  );
  say('Stop a machine (kill its pid), or let the faults come by themselves. Ctrl-C ends everything.\n');
  const following = follow(join(folder, 'hub'), say, stop).catch((error: unknown) => {
    if (!stop.aborted) say(`cannot show what arrives: ${(error as Error).message}`);
  });
  await Promise.race([aborted(stop), factory.gatewayGone()]);
  setTimeout(() => process.exit(0), stopWithinMs).unref();
  await factory[Symbol.asyncDispose]();
  await Promise.race([following, aborted(stop)]);
  return stop.aborted ? 0 : 1;
}

/** The processes of the demo. What they say beside the ready line is passed on with their name. */
class Factory implements AsyncDisposable {
  readonly #say: (line: string) => void;
  readonly #stop: AbortSignal;
  readonly #children = new Map<string, { readonly process: ChildProcess; readonly gone: Promise<void> }>();

  constructor(say: (line: string) => void, stop: AbortSignal) {
    this.#say = say;
    this.#stop = stop;
  }

  pid(name: string): number | undefined {
    return this.#children.get(name)?.process.pid;
  }

  gatewayGone(): Promise<void> {
    return this.#children.get('gateway')?.gone ?? Promise.resolve();
  }

  async start(name: string, args: readonly string[], ready: RegExp): Promise<void> {
    const child = spawn(process.execPath, [entryPoint('./main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const gone = new Promise<void>((done) => child.once('close', () => done()));
    this.#children.set(name, { process: child, gone });
    await new Promise<void>((done, failed) => {
      let isReady = false;
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (isReady) this.#pass(name, line);
        else if (ready.test(line)) {
          isReady = true;
          done();
        }
      });
      createInterface({ input: child.stderr }).on('line', (line) => this.#pass(name, fromLog(line)));
      child.once('close', (code) => {
        if (isReady || this.#stop.aborted) {
          if (!this.#stop.aborted) this.#say(`${clock(Date.now())}  ${name} ended (${code ?? 'killed'})`);
          done();
        } else
          failed(
            new GatewayError('demo-start', `the ${name} of the demo ended at start with code ${code}`, {
              retry: 'after-fix',
              hint: 'what it said stands above',
            }),
          );
      });
    });
  }

  #pass(name: string, line: string): void {
    if (line.trim() !== '' && !this.#stop.aborted)
      this.#say(`${clock(Date.now())}  ${line.startsWith(`${name}:`) ? line : `${name}: ${line}`}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child } of this.#children.values()) child.kill('SIGTERM');
    await Promise.all([...this.#children.values()].map(({ gone }) => gone));
  }
}

/** A log line as a person reads it; anything else as it is. */
function fromLog(line: string): string {
  try {
    const { msg, equipment, reason } = JSON.parse(line) as { msg?: string; equipment?: string; reason?: string };
    if (msg !== undefined) return `${equipment ? `${equipment}: ` : ''}${msg}${reason ? ` (${reason})` : ''}`;
  } catch {
    // Not a log line.
  }
  return line;
}

/** Says from time to time what arrived at the hub, and at once when a point turns bad or comes back. */
async function follow(hubFolder: string, say: (line: string) => void, stop: AbortSignal): Promise<void> {
  const { followTelemetry } = await import('../../hub/telemetry/reader.ts');
  const arrived = { events: 0, readings: 0 };
  const latest = new Map<string, Map<string, string>>();
  const bad = new Map<string, string>();
  const summary = setInterval(() => {
    say(`${clock(Date.now())}  hub: ${arrived.readings} readings in ${arrived.events} messages so far, ${bad.size} points bad now`);
    for (const [equipment, points] of latest)
      say(
        `          ${equipment}: ${[...points]
          .slice(0, 5)
          .map(([point, value]) => `${point} ${value}`)
          .join(', ')}`,
      );
  }, sayEveryMs);
  try {
    for await (const { event } of followTelemetry(hubFolder, {}, stop)) take(event, arrived, latest, bad, say);
  } finally {
    clearInterval(summary);
  }
}

interface TelemetryData {
  readonly equipment?: string;
  readonly readings?: readonly {
    readonly point: string;
    readonly value?: unknown;
    readonly unit?: string;
    readonly quality?: string;
    readonly status?: string;
    readonly reason?: string;
  }[];
}

function take(
  event: StoredEvent['event'],
  arrived: { events: number; readings: number },
  latest: Map<string, Map<string, string>>,
  bad: Map<string, string>,
  say: (line: string) => void,
): void {
  const data = (event as { readonly data?: TelemetryData | number }).data;
  if (typeof data !== 'object' || data.equipment === undefined || !Array.isArray(data.readings)) return;
  arrived.events++;
  const points = latest.get(data.equipment) ?? new Map<string, string>();
  latest.set(data.equipment, points);
  const turned: string[] = [];
  const back: string[] = [];
  let why = '';
  for (const reading of data.readings as NonNullable<TelemetryData['readings']>) {
    arrived.readings++;
    const key = `${data.equipment} ${reading.point}`;
    points.set(
      reading.point,
      reading.value === undefined ? (reading.status ?? '-') : `${String(reading.value)}${reading.unit ? ` ${reading.unit}` : ''}`,
    );
    if (reading.quality === 'bad') {
      if (!bad.has(key)) turned.push(reading.point);
      bad.set(key, reading.reason ?? '');
      why = reading.reason ?? reading.status ?? '';
    } else if (bad.delete(key)) back.push(reading.point);
  }
  if (turned.length > 0) say(`${clock(Date.now())}  hub: ${data.equipment} bad: ${few(turned)} (${why})`);
  if (back.length > 0) say(`${clock(Date.now())}  hub: ${data.equipment} good again: ${few(back)}`);
}

function few(names: readonly string[]): string {
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

function clock(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

async function choosePorts(): Promise<Ports> {
  const chosen = await Promise.all(
    Object.entries(wishes).map(async ([name, port]) => [name, (await isFree(port)) ? port : await anyFree()] as const),
  );
  return Object.fromEntries(chosen);
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' ? address?.port : undefined));
    });
  });
}

async function isFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined;
}

async function anyFree(): Promise<number> {
  const port = await tryListen(0);
  if (port === undefined) throw new GatewayError('no-port', 'no free TCP port on 127.0.0.1', { retry: 'after-fix' });
  return port;
}

/** Copies the example's files into the data folder, with the ports of this run. Files that the user changed are kept, but for the ports. */
async function writeFiles(folder: string, ports: Ports): Promise<string> {
  const example = await exampleFolder();
  await mkdir(join(folder, 'mappings'), { recursive: true });
  for (const { name, mapping, withPort } of demoMachines) {
    const target = join(folder, 'mappings', mapping);
    const text = (await readFile(target, 'utf8').catch(() => undefined)) ?? (await readFile(join(example, 'mappings', mapping), 'utf8'));
    await writeFile(target, withPort(text, ports[name]!));
  }
  const password = conveyorPassword(join(folder, 'conveyor'));
  await mkdir(dirname(password), { recursive: true });
  await writeFile(password, `${randomBytes(12).toString('base64url')}\n`, { mode: 0o600 });
  const config = join(folder, 'dragoman.yaml');
  const text = await readFile(join(example, 'dragoman.yaml'), 'utf8');
  await writeFile(config, text.replace(/port: 8883/, `port: ${ports.hub}`).replace('127.0.0.1:8080', `127.0.0.1:${ports.status}`));
  return config;
}

/** `examples/candy-factory` of the clone, the package or the image. */
async function exampleFolder(): Promise<string> {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = join(folder, 'examples', 'candy-factory');
    if (await readFile(join(candidate, 'dragoman.yaml')).catch(() => undefined)) return candidate;
    const above = dirname(folder);
    if (above === folder)
      throw new GatewayError('demo-files', 'the files of the demo (examples/candy-factory) are not installed', { retry: 'never' });
    folder = above;
  }
}

import { open } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type Docker from 'dockerode';
import { type EngineAddress, type ResolvedAddress, resolveAddress } from './address.ts';
import { containerOf, eventOf, gatewayIn, healthPlanOf, imageOf, infoOf, shortName } from './answers.ts';
import { type About, answerMs, EngineCalls } from './calls.ts';
import type {
  Container,
  ContainerBody,
  Engine,
  EngineEvent,
  EngineImage,
  EngineInfo,
  LogLine,
  LogOptions,
  PullOptions,
} from './contract.ts';
import { type Dialect, dialectOf, healthTestOf, labelFilter } from './dialect.ts';
import { make, statusOf } from './errors.ts';
import { readJsonLines } from './json-stream.ts';
import { readLogs } from './log-stream.ts';
import { type HealthPlan, PodmanHealth } from './podman-health.ts';

/** The engine of Docker or podman (its API is Docker's); rejects with `engine-absent` or `engine-forbidden`. */
export async function openDocker(address: EngineAddress = {}): Promise<Engine> {
  const resolved = resolveAddress(address);
  const { default: Client } = await import('dockerode');
  const engine = new DockerEngine(resolved, Client);
  try {
    engine.speak(dialectOf(await engine.info()));
    return engine;
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

class DockerEngine implements Engine {
  readonly at: string;
  readonly #docker: Docker;
  readonly #agent: http.Agent;
  readonly #calls: EngineCalls;
  #dialect: Dialect | undefined;
  #network: Promise<void> = Promise.resolve();

  constructor(address: ResolvedAddress, Client: typeof Docker) {
    this.at = address.at;
    this.#calls = new EngineCalls(address.at);
    // Connections are not kept: after a restart of the engine they would be dead ones.
    this.#agent = 'host' in address && address.tls ? new https.Agent() : new http.Agent();
    this.#docker = new Client({ ...clientOptions(address), agent: this.#agent } as Docker.DockerOptions);
  }

  /** What is to be known of it before anything else is asked. */
  speak(dialect: Dialect): void {
    this.#dialect = dialect;
    this.#calls.podman = dialect.name === 'podman';
  }

  async info(): Promise<EngineInfo> {
    const about: About = { doing: 'asking for its version', kind: 'engine' };
    const answer: unknown = await this.#calls.ask(about, () => this.#docker.version());
    const info = infoOf(answer);
    if (!info) throw make('engine-error', `what answers at ${this.at} is no container engine`, { hint: 'correct modules.engine' });
    return info;
  }

  async image(reference: string): Promise<EngineImage | undefined> {
    const about: About = { doing: `looking for the image ${reference}`, kind: 'image' };
    return this.#calls.orNone('image-absent', async () =>
      imageOf(await this.#calls.ask(about, () => this.#docker.getImage(reference).inspect())),
    );
  }

  async images(): Promise<readonly EngineImage[]> {
    const found = await this.#calls.ask({ doing: 'listing images', kind: 'engine' }, () => this.#docker.listImages());
    return found.map((one) => imageOf({ ...one, Config: { Labels: one.Labels } }));
  }

  async pull(reference: string, { credentials, onProgress, signal }: PullOptions): Promise<void> {
    const auth = credentials && {
      authconfig: { username: credentials.username, password: credentials.password, serveraddress: credentials.address },
    };
    const call = (abortSignal: AbortSignal): Promise<unknown> => this.#docker.pull(reference, { ...auth, abortSignal });
    await this.#calls.progress({ doing: `pulling ${reference}`, kind: 'image' }, call, { onProgress, signal });
  }

  async load(file: string): Promise<readonly string[]> {
    const about: About = { doing: `loading ${file}`, kind: 'image' };
    const handle = await open(file).catch((error: Error) => {
      throw make('image-absent', `${about.doing}: ${error.message}`, { cause: error, hint: 'check the file and its rights' });
    });
    const loaded: string[] = [];
    const onLine = (line: string): void => {
      const name = /^Loaded image(?: ID)?s?: (\S+)/.exec(line)?.[1];
      if (name) loaded.push(shortName(name));
    };
    const call = (abortSignal: AbortSignal): Promise<unknown> =>
      // The types of dockerode do not know that a load can be stopped.
      this.#docker.loadImage(handle.createReadStream(), { quiet: true, abortSignal } as object);
    await this.#calls.progress(about, call, { onLine });
    return loaded;
  }

  async removeImage(id: string): Promise<void> {
    const about: About = { doing: `removing the image ${id}`, kind: 'image' };
    await this.#calls.orNone('image-absent', () => this.#calls.ask(about, () => this.#docker.getImage(id).remove()));
  }

  async create(name: string, container: ContainerBody): Promise<string> {
    const about: About = { doing: `creating the container ${name}`, kind: 'container' };
    const dialect = this.#dialect!;
    const body = await dialect.body(container, (network) => this.#gatewayOf(network));
    const id = await this.#make(about, name, body);
    const other = dialect.otherWords(body);
    if (!other || (await this.#isCheckedBy(id, body))) return id;
    await this.remove(id);
    const again = await this.#make(about, name, other);
    if (await this.#isCheckedBy(again, body)) return again;
    await this.remove(again);
    const hint = 'write Healthcheck.Test as ["CMD-SHELL", "COMMAND"]';
    throw make('container-refused', `${about.doing}: the engine cuts the arguments of its Healthcheck at their spaces`, { hint });
  }

  async start(id: string): Promise<void> {
    await this.#calls.unlessAlready({ doing: `starting the container ${id}`, kind: 'container' }, () =>
      this.#docker.getContainer(id).start(),
    );
  }

  async stop(id: string, graceSeconds: number): Promise<void> {
    const about: About = { doing: `stopping the container ${id}`, kind: 'container' };
    const call = (): Promise<unknown> => this.#docker.getContainer(id).stop({ t: graceSeconds });
    await this.#calls.unlessAlready(about, call, [304, 404], graceSeconds * 1000 + answerMs);
  }

  async remove(id: string): Promise<void> {
    const about: About = { doing: `removing the container ${id}`, kind: 'container' };
    const container = this.#docker.getContainer(id);
    await this.#calls
      .unlessAlready(about, () => container.remove({ v: true, force: true }), [404])
      .catch(async (error: Error) => {
        if (!/already in progress/.test(error.message)) throw error;
        await this.#calls.unlessAlready(about, () => container.wait({ condition: 'removed' }), [404]);
      });
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#calls.ask({ doing: `renaming the container ${id} to ${name}`, kind: 'container' }, () =>
      this.#docker.getContainer(id).rename({ name }),
    );
  }

  async containers(labels: Readonly<Record<string, string>>): Promise<readonly Container[]> {
    const filters = { label: labelFilter(labels) };
    const found = await this.#calls.ask({ doing: 'listing containers', kind: 'engine' }, () =>
      this.#docker.listContainers({ all: true, filters }),
    );
    // A list has neither health nor times. One that is gone meanwhile is none.
    const whole = await Promise.all(found.map(({ Id }) => this.container(Id)));
    return whole.filter((one) => one !== undefined);
  }

  async container(id: string): Promise<Container | undefined> {
    return (await this.#inspect(id))?.container;
  }

  async *logs(id: string, { tail, since, until, follow = false, signal }: LogOptions): AsyncGenerator<LogLine> {
    const about: About = { doing: `reading the logs of the container ${id}`, kind: 'container' };
    const known = await this.#inspect(id);
    if (!known)
      throw make('container-refused', `${about.doing}: there is no such container`, { hint: 'it may have been made anew: look again' });
    const range = { ...(since !== undefined && { since }), ...(until !== undefined && { until }), tail: tail ?? 'all' };
    const query = { stdout: true, stderr: true, timestamps: true, follow, ...range };
    const stop = this.#calls.stop(signal ?? new AbortController().signal);
    // Only what is followed comes as a stream, unless the query is given apart.
    const options = { follow: true, abortSignal: stop, _query: query } as Docker.ContainerLogsOptions & { follow: true };
    const open = (): Promise<unknown> => this.#docker.getContainer(id).logs(options);
    yield* this.#calls.streaming(about, open, (chunks) => readLogs(chunks, !known.terminal), stop);
  }

  async *events(labels: Readonly<Record<string, string>>, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const about: About = { doing: 'listening to its events', kind: 'engine' };
    const dialect = this.#dialect!;
    const stop = this.#calls.stop(signal);
    const options = { filters: JSON.stringify(dialect.eventFilters(labels)), abortSignal: stop };
    using checks = dialect.name === 'podman' ? this.#healthChecks() : undefined;
    const open = (): Promise<unknown> => {
      const stream = this.#docker.getEvents(options);
      // What is missed here starts later, and is told of. That the engine went away is told by the stream.
      if (checks) this.#watchAll(checks, labels).catch(() => {});
      return stream;
    };
    for await (const one of this.#calls.streaming(about, open, readJsonLines, stop)) {
      const known = dialect.isOf(one, labels) ? eventOf(one) : undefined;
      if (!known) continue;
      if (known.kind === 'start') checks?.watch(known.container);
      yield known;
    }
    if (!stop.aborted) throw make('engine-absent', `the container engine at ${this.at} went away`, { podman: dialect.name === 'podman' });
  }

  /** One after the other: the engine makes two of one name when it is asked twice at once. */
  ensureNetwork(name: string): Promise<void> {
    const made = this.#network.then(() => this.#makeNetwork(name));
    this.#network = made.catch(() => {});
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#calls.close();
    this.#agent.destroy();
  }

  async #make(about: About, name: string, body: ContainerBody): Promise<string> {
    const made = await this.#calls.ask(about, () => this.#docker.createContainer({ ...body, name } as Docker.ContainerCreateOptions));
    return made.id;
  }

  async #isCheckedBy(id: string, body: ContainerBody): Promise<boolean> {
    const about: About = { doing: `looking for the container ${id}`, kind: 'engine' };
    const { Config } = await this.#calls.ask(about, () => this.#docker.getContainer(id).inspect());
    return JSON.stringify(healthTestOf(Config)) === JSON.stringify(healthTestOf(body));
  }

  async #makeNetwork(name: string): Promise<void> {
    const about: About = { doing: `making the network ${name}`, kind: 'container' };
    const found = await this.#calls.ask(about, () => this.#docker.listNetworks({ filters: { name: [name] } }));
    if (found.some(({ Name }) => Name === name)) return;
    const call = (): Promise<unknown> => this.#docker.createNetwork({ Name: name, Driver: 'bridge', CheckDuplicate: true });
    // Somebody else made it meanwhile.
    await this.#calls.orNone('engine-conflict', () => this.#calls.ask(about, call));
  }

  /** The machine's own address on a bridge network. */
  async #gatewayOf(network: string): Promise<string | undefined> {
    const about: About = { doing: `looking for the network ${network}`, kind: 'container' };
    const found = await this.#calls.ask(about, () => this.#docker.getNetwork(network).inspect());
    return gatewayIn(found);
  }

  async #watchAll(checks: PodmanHealth, labels: Readonly<Record<string, string>>): Promise<void> {
    for (const { id } of await this.containers(labels)) checks.watch(id);
  }

  #healthChecks(): PodmanHealth {
    return new PodmanHealth({
      planOf: async (id) => (await this.#inspect(id))?.health,
      check: async (id) => {
        const about: About = { doing: `checking the health of the container ${id}`, kind: 'engine' };
        const options = {
          path: `/v4.0.0/libpod/containers/${id}/healthcheck`,
          method: 'GET',
          statusCodes: { 200: true, 404: true, 409: true },
        };
        const call = (): Promise<unknown> =>
          new Promise((resolve, reject) =>
            this.#docker.modem.dial(options, (error: unknown, said: unknown) => (error ? reject(error) : resolve(said))),
          );
        await this.#calls.orNone('engine-error', () => this.#calls.ask(about, call));
      },
    });
  }

  async #inspect(id: string): Promise<Inspected | undefined> {
    const about: About = { doing: `looking for the container ${id}`, kind: 'engine' };
    try {
      const found = await this.#calls.ask(about, () => this.#docker.getContainer(id).inspect());
      return { container: containerOf(found), terminal: found.Config.Tty, health: healthPlanOf(found) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }
}

interface Inspected {
  readonly container: Container;
  readonly terminal: boolean;
  readonly health: HealthPlan | undefined;
}

/** All of them said: what is left out, dockerode takes from the environment. */
function clientOptions(address: ResolvedAddress): object {
  if ('socketPath' in address)
    return { socketPath: address.socketPath, host: undefined, port: undefined, protocol: 'http', timeout: undefined } as object;
  const { host, port, tls } = address;
  const { ca, certificate: cert, key } = tls ?? {};
  return { host, port, pathPrefix: '/', protocol: tls ? 'https' : 'http', ca, cert, key, timeout: undefined } as object;
}

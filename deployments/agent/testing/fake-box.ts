import { GatewayError } from '../../../model/error.ts';
import type { Container, ContainerBody, Engine, EngineCode, EngineEvent, EngineImage, LogLine } from '../../engine/contract.ts';
import type { ManualClock } from './manual-clock.ts';

/** What a container of an image does once it is started. */
export interface Behaviour {
  /** It ends at once. */
  readonly exits?: number;
  /** What its health check says after the start. */
  readonly health?: 'starting' | 'healthy' | 'unhealthy';
  readonly logs?: readonly string[];
}

interface Made extends Container {
  readonly body: ContainerBody;
}

/** Calls that change something. */
export const changing = ['create', 'start', 'stop', 'remove', 'rename'] as const;
export type Call = (typeof changing)[number] | 'container' | 'containers' | 'ensureNetwork' | 'events' | 'info' | 'logs';

export type OnCall = (call: Call, when: 'before' | 'after') => void | Promise<void>;

/** A machine with a container engine, in memory: it outlives agents and its own engine. */
export class FakeBox {
  readonly containers = new Map<string, Made>();
  /** By image id. */
  readonly behaviours = new Map<string, Behaviour>();
  /** Each call so far: `create score.1234`. */
  readonly calls: string[] = [];
  readonly #clock: ManualClock;
  #next = 1;
  #up = true;
  readonly #listeners = new Set<{ push(event: EngineEvent): void; fail(error: Error): void }>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  /** The engine ends; containers end with it, as Docker's do. */
  engineDies(): void {
    this.#up = false;
    for (const listener of [...this.#listeners]) listener.fail(absent());
    for (const one of this.containers.values()) {
      if (one.state === 'running') this.#set(one, { state: 'exited', exitCode: 137, finishedAt: this.#time() });
    }
  }

  engineStarts(): void {
    this.#up = true;
  }

  /** A running container ends by itself. */
  ends(name: string, exitCode: number): void {
    const one = this.named(name);
    this.#set(one, { state: 'exited', exitCode, finishedAt: this.#time() });
    this.#emit({ container: one.id, kind: 'die', exitCode });
  }

  turns(name: string, health: 'healthy' | 'unhealthy'): void {
    const one = this.named(name);
    this.#set(one, { health });
    this.#emit({ container: one.id, kind: 'health', health });
  }

  named(name: string): Made {
    const found = [...this.containers.values()].find((one) => one.name === name);
    if (!found) throw new Error(`there is no container ${name}`);
    return found;
  }

  /** `name image state` of all, sorted. */
  picture(): readonly string[] {
    return [...this.containers.values()].map(({ name, imageId, state }) => `${name} ${imageId} ${state}`).sort();
  }

  open = async (): Promise<Engine> => this.connect();

  /** `onCall` may throw or never resolve; `after` means that the call had its effect. */
  connect(onCall: OnCall = () => {}): Engine {
    if (!this.#up) throw absent();
    const call = async <T>(name: Call, detail: string, work: () => T): Promise<T> => {
      if (!this.#up) throw absent();
      await onCall(name, 'before');
      if (!this.#up) throw absent();
      this.calls.push(`${name} ${detail}`.trim());
      const result = work();
      await onCall(name, 'after');
      return result;
    };
    const unused = (): never => {
      throw new Error('not of this fake');
    };
    const info = { name: 'fake', version: '1.0', apiVersion: '1.41', operatingSystem: 'linux', architecture: 'amd64' };
    return {
      at: 'fake',
      info: () => call('info', '', () => info),
      image: unused,
      images: async (): Promise<readonly EngineImage[]> => [],
      pull: unused,
      load: unused,
      removeImage: unused,
      create: (name, body) => call('create', name, () => this.#create(name, body)),
      start: (id) => call('start', this.#nameOf(id), () => this.#start(id)),
      stop: (id) => call('stop', this.#nameOf(id), () => this.#stop(id)),
      remove: (id) => call('remove', this.#nameOf(id), () => this.#remove(id)),
      rename: (id, name) => call('rename', `${this.#nameOf(id)} ${name}`, () => this.#rename(id, name)),
      containers: (labels) => call('containers', '', () => this.#labelled(labels)),
      container: (id) => call('container', '', () => [...this.containers.values()].find((one) => one.id === id || one.name === id)),
      logs: (id) => this.#logs(id),
      events: (_, signal) => this.#events(signal),
      ensureNetwork: (name) => call('ensureNetwork', name, () => {}),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #labelled(labels: Readonly<Record<string, string>>): readonly Container[] {
    return [...this.containers.values()].filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value));
  }

  #create(name: string, body: ContainerBody): string {
    if ([...this.containers.values()].some((one) => one.name === name)) throw refused('engine-conflict', `the name ${name} is taken`);
    const id = `c${this.#next++}`;
    this.containers.set(id, {
      ...{ id, name, body, imageId: String(body.Image), labels: body.Labels as Record<string, string>, state: 'created' },
      ...{ health: undefined, exitCode: 0, startedAt: undefined, finishedAt: undefined, error: undefined },
    });
    return id;
  }

  #start(id: string): void {
    const one = this.#found(id);
    if (one.state === 'running') return;
    for (const port of portsOf(one)) {
      const holder = [...this.containers.values()].find((other) => other.state === 'running' && portsOf(other).includes(port));
      if (holder) throw refused('port-taken', `port ${port} is taken`);
    }
    const { exits, health } = this.behaviours.get(one.imageId) ?? {};
    this.#set(one, { state: 'running', health, startedAt: this.#time(), exitCode: 0 });
    this.#emit({ container: id, kind: 'start' });
    if (exits !== undefined) this.ends(this.#nameOf(id), exits);
  }

  #stop(id: string): void {
    const one = this.containers.get(id);
    if (one?.state === 'running') this.ends(one.name, 143);
  }

  #remove(id: string): void {
    if (this.containers.delete(id)) this.#emit({ container: id, kind: 'destroy' });
  }

  #rename(id: string, name: string): void {
    if ([...this.containers.values()].some((one) => one.name === name)) throw refused('engine-conflict', `the name ${name} is taken`);
    this.#set(this.#found(id), { name });
  }

  async *#logs(id: string): AsyncIterable<LogLine> {
    const { logs = [] } = this.behaviours.get(this.containers.get(id)?.imageId ?? '') ?? {};
    for (const text of logs) yield { time: this.#time(), stream: 'stdout', text };
  }

  async *#events(signal: AbortSignal): AsyncIterable<EngineEvent> {
    const waiting: EngineEvent[] = [];
    let failure: Error | undefined;
    let wake = (): void => {};
    const listener = {
      push(event: EngineEvent) {
        waiting.push(event);
        wake();
      },
      fail(error: Error) {
        failure = error;
        wake();
      },
    };
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => wake(), { once: true });
    try {
      while (!signal.aborted) {
        if (failure) throw failure;
        const event = waiting.shift();
        if (event) yield event;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  #emit(event: EngineEvent): void {
    for (const { push } of this.#listeners) push(event);
  }

  #set(one: Made, more: Partial<Made>): void {
    this.containers.set(one.id, { ...this.#found(one.id), ...more });
  }

  #found(id: string): Made {
    const one = this.containers.get(id);
    if (!one) throw refused('engine-error', `there is no container ${id}`);
    return one;
  }

  #nameOf(id: string): string {
    return this.containers.get(id)?.name ?? id;
  }

  #time(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

function portsOf({ body }: Made): readonly string[] {
  const bindings = (body.HostConfig as { PortBindings?: Record<string, { HostPort: string }[]> } | undefined)?.PortBindings ?? {};
  return Object.values(bindings).flatMap((list) => list.map(({ HostPort }) => HostPort));
}

export const refused = (code: EngineCode, message: string): GatewayError =>
  new GatewayError(code, message, { retry: code === 'engine-absent' || code === 'registry-unreachable' ? 'with-backoff' : 'after-fix' });

export const absent = (): GatewayError => refused('engine-absent', 'no engine answers at fake');

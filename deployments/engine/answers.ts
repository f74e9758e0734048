import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { Container, EngineEvent, EngineImage, EngineInfo } from './contract.ts';
import type { HealthPlan } from './podman-health.ts';

/** What we read of the answers of Docker's API; podman leaves some of it out. */
interface ImageAnswer {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null | undefined;
  readonly RepoDigests?: readonly string[] | null | undefined;
  readonly Size?: number;
  readonly Config?: { readonly Labels?: Readonly<Record<string, string>> | null | undefined } | null;
}

interface HealthAnswer {
  readonly Status: string;
  readonly Log?: readonly { readonly End: string }[] | null | undefined;
}

interface ContainerAnswer {
  readonly Id: string;
  readonly Mounts?: readonly { readonly Source?: string; readonly Destination: string }[] | null | undefined;
  readonly Name: string;
  readonly Image: string;
  readonly Config: {
    readonly Labels?: Readonly<Record<string, string>> | null | undefined;
    readonly Healthcheck?: { readonly Test?: readonly string[]; readonly Interval?: number; readonly Timeout?: number } | null | undefined;
  };
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly StartedAt: string;
    readonly FinishedAt: string;
    readonly OOMKilled?: boolean;
    readonly Error?: string;
    readonly Health?: HealthAnswer | null | undefined;
  };
}

const none = '<none>';

export function imageOf({ Id, RepoTags, RepoDigests, Size, Config }: ImageAnswer): EngineImage {
  return {
    id: Id.includes(':') ? Id : `sha256:${Id}`,
    tags: (RepoTags ?? []).filter((tag) => !tag.includes(none)).map(shortName),
    digests: (RepoDigests ?? []).filter((digest) => !digest.includes(none)).map(shortName),
    sizeBytes: Size ?? 0,
    labels: Config?.Labels ?? {},
  };
}

/** podman says `docker.io/library/filter:1` where Docker says `filter:1`. */
export const shortName = (name: string): string => name.replace(/^docker\.io\/(library\/)?/, '');

const states: readonly Container['state'][] = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

export function containerOf({ Id, Name, Image, Config, State, Mounts }: ContainerAnswer): Container {
  const state = states.find((one) => one === State.Status);
  const health = State.Health?.Status;
  return {
    id: Id,
    name: Name.replace(/^\//, ''),
    imageId: Image.includes(':') ? Image : `sha256:${Image}`,
    labels: Config.Labels ?? {},
    state: state ?? podmanStates[State.Status] ?? 'created',
    health: health === 'starting' || health === 'healthy' || health === 'unhealthy' ? health : undefined,
    exitCode: State.ExitCode,
    startedAt: timeOf(State.StartedAt),
    finishedAt: timeOf(State.FinishedAt),
    error: State.OOMKilled ? 'OOMKilled' : State.Error || undefined,
    mounts: (Mounts ?? []).map(({ Source, Destination }) => ({ to: Destination, from: Source || undefined })),
  };
}

/** Its others (configured, initialized) are before a start. */
const podmanStates: Readonly<Record<string, Container['state']>> = { stopped: 'exited', stopping: 'running' };

/** Undefined: it has no HEALTHCHECK, or does not run. */
export function healthPlanOf({ Config, State }: ContainerAnswer): HealthPlan | undefined {
  const { Test, Interval, Timeout } = Config.Healthcheck ?? {};
  if (State.Status !== 'running' || !Test || Test.length === 0 || Test[0] === 'NONE') return undefined;
  const checkedMs = Date.parse(State.Health?.Log?.at(-1)?.End ?? '');
  return {
    everyMs: (Interval || usualNs) / 1e6,
    timeoutMs: (Timeout || usualNs) / 1e6,
    checkedMs: Number.isNaN(checkedMs) ? undefined : checkedMs,
    startedMs: Date.parse(State.StartedAt),
  };
}

const usualNs = 30e9;

/** The year 1 is never. */
const timeOf = (text: string): string | undefined => (text === '' || text.startsWith('0001-') ? undefined : text);

/** The gateway of a network's first subnet that has one. */
export function gatewayIn({
  IPAM,
}: {
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] | undefined };
}): string | undefined {
  return IPAM?.Config?.find(({ Gateway }) => Gateway)?.Gateway;
}

/** Undefined: that is no engine. */
export function infoOf(answer: unknown): EngineInfo | undefined {
  if (!isTwinObject(answer) || typeof answer.ApiVersion !== 'string') return undefined;
  const { Version, ApiVersion, Os, Arch, Components } = answer;
  const podman = Array.isArray(Components) && Components.some((one) => isTwinObject(one) && /podman/i.test(String(one.Name)));
  return {
    name: podman ? 'podman' : 'docker',
    version: String(Version),
    apiVersion: ApiVersion,
    operatingSystem: String(Os),
    architecture: String(Arch),
  };
}

/** Undefined: one that we have no word for. */
export function eventOf(event: TwinObject): EngineEvent | undefined {
  const actor = isTwinObject(event.Actor) ? event.Actor : {};
  const attributes = isTwinObject(actor.Attributes) ? actor.Attributes : {};
  const action = String(event.Action ?? event.status ?? '');
  const container = String(actor.ID ?? event.id ?? '');
  if (action === 'die') return { container, kind: 'die', exitCode: Number(attributes.exitCode ?? attributes.containerExitCode ?? 0) };
  if (action === 'start' || action === 'oom') return { container, kind: action };
  if (action === 'destroy' || action === 'remove') return { container, kind: 'destroy' };
  // podman has it beside the word, and may be one check behind.
  const health = /^health_status: (healthy|unhealthy)$/.exec(event.HealthStatus ? `${action}: ${String(event.HealthStatus)}` : action)?.[1];
  return health ? { container, kind: 'health', health: health as 'healthy' | 'unhealthy' } : undefined;
}

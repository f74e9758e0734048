import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { Container, EngineEvent, EngineImage, EngineInfo } from './contract.ts';

/** What we read of the answers of Docker's API; podman leaves some of it out. */
interface ImageAnswer {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null | undefined;
  readonly RepoDigests?: readonly string[] | null | undefined;
  readonly Size?: number;
  readonly Config?: { readonly Labels?: Readonly<Record<string, string>> | null | undefined } | null;
}

interface ContainerAnswer {
  readonly Id: string;
  readonly Name: string;
  readonly Image: string;
  readonly Config: { readonly Labels?: Readonly<Record<string, string>> | null | undefined };
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly StartedAt: string;
    readonly FinishedAt: string;
    readonly OOMKilled?: boolean;
    readonly Error?: string;
    readonly Health?: { readonly Status: string } | null | undefined;
  };
}

const none = '<none>';

export function imageOf({ Id, RepoTags, RepoDigests, Size, Config }: ImageAnswer): EngineImage {
  return {
    id: Id.includes(':') ? Id : `sha256:${Id}`,
    tags: (RepoTags ?? []).filter((tag) => !tag.includes(none)),
    digests: (RepoDigests ?? []).filter((digest) => !digest.includes(none)),
    sizeBytes: Size ?? 0,
    labels: Config?.Labels ?? {},
  };
}

const states: readonly Container['state'][] = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

export function containerOf({ Id, Name, Image, Config, State }: ContainerAnswer): Container {
  const state = states.find((one) => one === State.Status);
  const health = State.Health?.Status;
  return {
    id: Id,
    name: Name.replace(/^\//, ''),
    imageId: Image.includes(':') ? Image : `sha256:${Image}`,
    labels: Config.Labels ?? {},
    // podman has more words (configured, initialized, stopped); of these only `stopped` is not before a start.
    state: state ?? (State.Status === 'stopped' ? 'exited' : 'created'),
    health: health === 'starting' || health === 'healthy' || health === 'unhealthy' ? health : undefined,
    exitCode: State.ExitCode,
    startedAt: timeOf(State.StartedAt),
    finishedAt: timeOf(State.FinishedAt),
    error: State.OOMKilled ? 'OOMKilled' : State.Error || undefined,
  };
}

/** The year 1 is never. */
const timeOf = (text: string): string | undefined => (text === '' || text.startsWith('0001-') ? undefined : text);

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
  const health = /^health_status: (healthy|unhealthy)$/.exec(action)?.[1];
  return health ? { container, kind: 'health', health: health as 'healthy' | 'unhealthy' } : undefined;
}

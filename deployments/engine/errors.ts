import { GatewayError, type RetryAdvice } from '../../model/error.ts';
import type { EngineCode, EngineError } from './contract.ts';

/** What a call was about, for its error. */
export interface Subject {
  /** `pulling box.local/filter:1`, `starting the container filter`. */
  readonly doing: string;
  /** `unix:/var/run/docker.sock`. */
  readonly at: string;
  readonly kind: 'engine' | 'image' | 'container';
  readonly podman?: boolean;
}

interface Advice {
  readonly retry: RetryAdvice;
  readonly hint: string;
  /** Where it is another one with podman. */
  readonly podman?: string;
}

const advice: Readonly<Record<EngineCode, Advice>> = {
  'engine-absent': {
    retry: 'with-backoff',
    hint: 'is Docker or podman installed and started (systemctl status docker)? The setting modules.engine says where it is',
    podman: 'is the socket of podman open (systemctl enable --now podman.socket)? The setting modules.engine says where it is',
  },
  'engine-forbidden': {
    retry: 'after-fix',
    hint: 'give the user of the gateway the group of the socket: usermod -aG docker USER; a container gets it by --group-add "$(stat -c %g SOCKET)"; then restart the gateway',
    podman: "podman's socket is root's: give it a group of the gateway's user, SocketGroup= by systemctl edit podman.socket",
  },
  'image-absent': {
    retry: 'after-fix',
    hint: 'check name and tag; push the image to its registry, or put its tar into the folder of images',
  },
  'registry-unreachable': { retry: 'with-backoff', hint: 'check name and network of the registry, and whether it runs' },
  'registry-refused': {
    retry: 'after-fix',
    hint: 'check the registryCredentials of the deployment, and whether they may read this image',
  },
  'engine-disk-full': {
    retry: 'with-backoff',
    hint: "make room on the engine's disk: docker system df shows what takes it",
    podman: "make room on the engine's disk: podman system df shows what takes it",
  },
  'port-taken': { retry: 'with-backoff', hint: 'another program or container has this port of the machine: give one of them another' },
  'engine-conflict': {
    retry: 'with-backoff',
    hint: 'docker ps -a shows what has the name or uses the image',
    podman: 'podman ps -a shows what has the name or uses the image',
  },
  'container-refused': { retry: 'after-fix', hint: 'correct the createOptions of the module, or its image' },
  'engine-error': {
    retry: 'with-backoff',
    hint: "the engine's own log says more (journalctl -u docker)",
    podman: "the engine's own log says more (journalctl -u podman)",
  },
};

interface Words {
  readonly code: EngineCode;
  readonly hint?: string;
  readonly podman?: string;
}

/** In order: the first that fits what the engine said. */
const texts: readonly (Words & { readonly says: RegExp })[] = [
  { code: 'engine-disk-full', says: /no space left on device|disk quota exceeded/i },
  { code: 'port-taken', says: /port is already allocated|address already in use|failed to bind host port|ports are not available/i },
  {
    code: 'registry-unreachable',
    says: /server gave HTTP response to HTTPS client/i,
    hint: "the registry speaks no TLS: give it a certificate, or name it under insecure-registries in the engine's daemon.json",
    podman:
      'the registry speaks no TLS: give it a certificate, or put [[registry]] location = "REGISTRY", insecure = true into registries.conf',
  },
  {
    code: 'registry-unreachable',
    says: /x509:|certificate signed by unknown authority|tls: /i,
    hint: "the engine does not trust the registry's certificate: put its CA into /etc/docker/certs.d/REGISTRY/ca.crt",
    podman: "the engine does not trust the registry's certificate: put its CA into /etc/containers/certs.d/REGISTRY/ca.crt",
  },
  {
    code: 'registry-unreachable',
    says: /no such host|i\/o timeout|connection refused|connection reset|dial tcp|TLS handshake timeout|server misbehaving|network is unreachable|no route to host|Client\.Timeout|unexpected EOF|: EOF|context deadline exceeded|502 Bad Gateway|503 Service|504 Gateway/i,
  },
  {
    code: 'registry-refused',
    says: /unauthorized|authentication required|no basic auth credentials|incorrect username or password|access denied|denied:|forbidden|too ?many ?requests/i,
  },
];

/**
 * The sentence and the code for what a call of the engine threw. Texts are read last, and only those of the engine's own words: they differ
 * between versions, and where none fits the error says what the engine said.
 */
export function engineError(thrown: unknown, { doing, at, kind, podman = false }: Subject): EngineError {
  if (isEngineError(thrown)) return thrown;
  const system = systemCode(thrown);
  if (system === 'EACCES' || system === 'EPERM')
    return make('engine-forbidden', `the container engine at ${at} does not let this user in (${doing})`, { cause: thrown, podman });
  if (system !== undefined)
    return make('engine-absent', `no container engine answers at ${at} (${doing}: ${absence(system)})`, { cause: thrown, podman });
  const said = saidBy(thrown);
  const words = classify(said, statusOf(thrown), kind);
  const hint = (podman ? words.podman : undefined) ?? words.hint;
  return make(words.code, `${doing}: ${said}`, { cause: thrown, podman, ...(hint !== undefined && { hint }) });
}

/** An error of ours, already. */
export const isEngineError = (error: unknown): error is EngineError => error instanceof GatewayError && error.code in advice;

export interface MakeOptions {
  readonly cause?: unknown;
  /** In place of the usual one. */
  readonly hint?: string;
  readonly podman?: boolean;
}

export function make(code: EngineCode, message: string, { cause, hint, podman = false }: MakeOptions = {}): EngineError {
  const { retry, hint: usual, podman: ofPodman = usual } = advice[code];
  return new GatewayError(code, message, { retry, hint: hint ?? (podman ? ofPodman : usual), cause }) as EngineError;
}

function classify(said: string, status: number | undefined, kind: Subject['kind']): Words {
  const known = texts.find(({ code, says }) => (kind === 'image' || !code.startsWith('registry-')) && says.test(said));
  if (known) return known;
  if (/no such image|manifest unknown|manifest for .* not found|name unknown|repository name not known/i.test(said))
    return { code: 'image-absent' };
  if (kind === 'image' && status === 404) return { code: 'image-absent' };
  // podman says 500 to all of these.
  if (status === 409 || /already in use|already used|already exists|force removal/i.test(said)) return { code: 'engine-conflict' };
  if (kind === 'container' && (status === 400 || status === 404 || status === 500)) return { code: 'container-refused' };
  return { code: 'engine-error' };
}

const absences: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'this host is not known',
};

const absence = (code: string): string => absences[code] ?? `the connection broke, ${code}`;

/** Of the connection to the engine; what an engine answered has none. */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  if (typeof code === 'string' && /^(E[A-Z]+|ERR_(SSL|TLS|STREAM_PREMATURE)\w*|DEPTH_ZERO\w*|UNABLE_TO_\w+|\w*CERT\w*)$/.test(code))
    return code;
  if (error.message === 'aborted' || error.message === 'socket hang up') return 'ECONNRESET';
  return cause === undefined ? undefined : systemCode(cause);
}

/** HTTP's, of what dockerode threw or of the error made of it. */
export function statusOf(error: unknown): number | undefined {
  const { statusCode, cause } = (error ?? {}) as { statusCode?: number; cause?: { statusCode?: number } };
  return statusCode ?? cause?.statusCode;
}

/** Without dockerode's frame around it, on one line, cut where a runtime writes pages. */
function saidBy(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const bare = text.replace(/^\(HTTP code \d+\) [^-]* - /, '').replace(/^Error response from daemon: /i, '');
  const line = bare.replaceAll(/\s+/g, ' ').trim();
  return line.length > 500 ? `${line.slice(0, 500)} …` : line;
}

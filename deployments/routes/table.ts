import type { Endpoint, ManifestProblem, RoutedMessage, RouteSpec, RouteTable, RouteTarget, StoreAndForward } from '../contract.ts';
import { jsonPath, type Keys } from '../manifest/findings.ts';
import { type ParsedRoute, parseRoute } from './route.ts';
import { Scope } from './scope.ts';
import { RouteError } from './tokens.ts';

/** Behind all that say one. */
export const noPriority = 2_000_000_000;
/** Sources that were seen and what may match them; more are not remembered. */
const mostSources = 4_096;

export interface CompiledRoutes {
  /** Undefined when a route cannot be read. */
  readonly table?: CompiledTable;
  readonly problems: readonly ManifestProblem[];
}

const inManifest = ({ name }: RouteSpec): Keys => ['modulesContent', '$edgeHub', 'properties.desired', 'routes', name];

/** Compiles all routes, or says what is wrong with each that cannot be. `keysOf` says where the text of one stands. */
export function compileRoutes(
  specs: readonly RouteSpec[],
  store: Pick<StoreAndForward, 'timeToLiveSecs'>,
  keysOf: (spec: RouteSpec) => Keys = inManifest,
): CompiledRoutes {
  const routes: Route[] = [];
  const problems: ManifestProblem[] = [];
  for (const spec of specs) {
    try {
      const parsed = parseRoute(spec.route);
      routes.push({ ...parsed, spec, target: targetOf(spec, parsed.endpoint, store) });
    } catch (error) {
      if (!(error instanceof RouteError)) throw error;
      problems.push(problemOf(spec, error, keysOf(spec)));
    }
  }
  return problems.length > 0 ? { problems } : { table: new CompiledTable(specs, routes), problems };
}

interface Route extends ParsedRoute {
  readonly spec: RouteSpec;
  readonly target: RouteTarget;
}

/** A route without a time, or with 0, keeps to that of the whole. */
function targetOf(spec: RouteSpec, endpoint: Endpoint, store: Pick<StoreAndForward, 'timeToLiveSecs'>): RouteTarget {
  const { name, priority, timeToLiveSecs } = spec;
  return { endpoint, priority: priority ?? noPriority, timeToLiveSecs: timeToLiveSecs || store.timeToLiveSecs, route: name };
}

function problemOf({ name, route }: RouteSpec, { message, column, hint }: RouteError, keys: Keys): ManifestProblem {
  const where = `${route.slice(Math.max(0, column - 21), column - 1)}>>${route.slice(column - 1, column + 20)}`;
  return {
    severity: 'error',
    rule: 'route',
    path: jsonPath(keys),
    keys,
    inside: column - 1,
    message: `route ${name}, column ${column}: ${message} (…${where}…)`,
    ...(hint !== undefined && { hint }),
  };
}

export class CompiledTable implements RouteTable {
  readonly specs: readonly RouteSpec[];
  readonly endpoints: readonly Endpoint[];
  readonly #routes: readonly Route[];
  readonly #bySource = new Map<string, Candidates>();

  constructor(specs: readonly RouteSpec[], routes: readonly Route[]) {
    this.specs = specs;
    this.#routes = routes;
    this.endpoints = routes.map(({ endpoint }) => endpoint);
  }

  match(message: RoutedMessage): readonly RouteTarget[] {
    const { always, conditional } = this.#candidates(message.source);
    if (conditional.length === 0) return always;
    const scope = new Scope(message);
    let found: RouteTarget[] | undefined;
    for (const { evaluate, target } of conditional) {
      if (evaluate!(scope) !== true) continue;
      found ??= [...always];
      add(found, target);
    }
    return found ?? always;
  }

  /** What each route does with a message, for people. */
  explain(message: RoutedMessage): readonly Explanation[] {
    const prefix = prefixOf(message.source);
    const scope = new Scope(message);
    return this.#routes.map(({ spec, prefix: wanted, evaluate, endpoint }) => {
      if (!prefix.startsWith(wanted)) return { spec, endpoint, source: false, result: undefined };
      return { spec, endpoint, source: true, result: evaluate ? evaluate(scope) : true };
    });
  }

  /** Whether any message of this source can go anywhere, or to an endpoint of this kind. */
  wants(source: string, kind?: Endpoint['kind']): boolean {
    const { kinds } = this.#candidates(source);
    return kind === undefined ? kinds.size > 0 : kinds.has(kind);
  }

  #candidates(source: string): Candidates {
    const known = this.#bySource.get(source);
    if (known) return known;
    const prefix = prefixOf(source);
    const matching = this.#routes.filter((route) => prefix.startsWith(route.prefix));
    const always: RouteTarget[] = [];
    for (const { evaluate, target } of matching) if (!evaluate) add(always, target);
    const kinds = new Set(matching.map(({ endpoint }) => endpoint.kind));
    const candidates = { always, conditional: matching.filter(({ evaluate }) => evaluate), kinds };
    if (this.#bySource.size < mostSources) this.#bySource.set(source, candidates);
    return candidates;
  }
}

interface Candidates {
  /** Of the routes without a condition; each endpoint once. */
  readonly always: readonly RouteTarget[];
  readonly conditional: readonly Route[];
  /** Of all their endpoints. */
  readonly kinds: ReadonlySet<Endpoint['kind']>;
}

export interface Explanation {
  readonly spec: RouteSpec;
  readonly endpoint: Endpoint;
  /** Whether its source is that of the message. */
  readonly source: boolean;
  /** Of its condition; a message goes by a route when it is true. */
  readonly result: unknown;
}

const prefixOf = (source: string): string => `${source.replace(/\/$/, '')}/`.toLowerCase();

/** An endpoint gets a message once, by the best of its routes; the first of several that are as good. */
function add(targets: RouteTarget[], target: RouteTarget): void {
  const at = targets.findIndex(({ endpoint }) => sameEndpoint(endpoint, target.endpoint));
  if (at < 0) targets.push(target);
  else if (target.priority < targets[at]!.priority) targets[at] = target;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  if (a.kind === 'upstream' || b.kind === 'upstream') return a.kind === b.kind;
  return a.module === b.module && a.input === b.input;
}

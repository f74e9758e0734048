import { readFile } from 'node:fs/promises';
import type { RoutedMessage } from '../../deployments/contract.ts';
import { readDeployment } from '../../deployments/read-deployment.ts';
import { type CompiledTable, compileRoutes, type Explanation, noPriority } from '../../deployments/routes/table.ts';
import { formatProblems } from '../../mappings/report.ts';
import { table } from './table.ts';

/** `dragoman route check FILE`: 0 when all routes can be read. */
export async function routeCheck(file: string, { json }: { readonly json?: boolean }): Promise<number> {
  const { manifest, problems } = await readDeployment(file);
  if (json) process.stdout.write(`${JSON.stringify(problems, undefined, 2)}\n`);
  else {
    if (problems.length > 0) process.stderr.write(`${formatProblems(problems)}\n`);
    if (manifest)
      process.stdout.write(`${file}: ${manifest.routes.length} route${manifest.routes.length === 1 ? '' : 's'}, all can be read\n`);
  }
  return manifest ? 0 : 1;
}

export interface RouteTestOptions {
  readonly source: string;
  readonly property: readonly string[];
  readonly system: readonly string[];
  /** Text, or `@file`. */
  readonly body?: string;
  readonly json?: boolean;
}

/** `dragoman route test FILE`: 0 when the message goes somewhere, 1 when it does not or the manifest has errors, 2 when it cannot be told. */
export async function routeTest(file: string, options: RouteTestOptions): Promise<number> {
  const { manifest, problems } = await readDeployment(file);
  if (!manifest) {
    process.stderr.write(`${formatProblems(problems)}\n`);
    return 1;
  }
  const message = await messageOf(options);
  if (typeof message === 'string') {
    process.stderr.write(`${message}\n`);
    return 2;
  }
  const routes = compileRoutes(manifest.routes, manifest.storeAndForward).table!;
  const targets = routes.match(message);
  if (options.json) {
    const explained = routes
      .explain(message)
      .map((one) => ({ route: one.spec.name, goes: one.source && one.result === true, why: whyNot(one) }));
    process.stdout.write(`${JSON.stringify({ source: message.source, routes: explained, targets }, undefined, 2)}\n`);
  } else process.stdout.write(`${text(routes, message, targets)}\n`);
  return targets.length > 0 ? 0 : 1;
}

function text(routes: CompiledTable, message: RoutedMessage, targets: ReturnType<CompiledTable['match']>): string {
  const rows = routes
    .explain(message)
    .map((one) => [one.spec.name, one.source && one.result === true ? 'takes it' : 'no', whyNot(one) ?? one.spec.route]);
  const ways = targets.map(({ endpoint, route, priority, timeToLiveSecs }) => {
    const where = endpoint.kind === 'upstream' ? 'upstream' : `module ${endpoint.module}, input ${endpoint.input}`;
    const first = priority === noPriority ? '' : `, priority ${priority}`;
    return `  ${where}  by ${route}${first}, kept ${timeToLiveSecs < 0 ? 'for ever' : `${timeToLiveSecs} s`}`;
  });
  const goes =
    ways.length === 0
      ? [`a message of ${message.source} goes nowhere: it is dropped`]
      : [`a message of ${message.source} goes to`, ...ways];
  return [table(['route', 'message', 'why'], rows), '', ...goes].join('\n');
}

/** Undefined: it does take it. */
function whyNot({ source, result, spec }: Explanation): string | undefined {
  if (!source) return `it is from elsewhere: ${/FROM\s+(\S+)/i.exec(spec.route)?.[1]}`;
  if (result === true) return undefined;
  return result === false ? 'its condition is false' : 'its condition is undefined: something in it is missing or of another type';
}

async function messageOf({ source, property, system, body }: RouteTestOptions): Promise<RoutedMessage | string> {
  const [properties, known] = [pairs(property, '--property'), pairs(system, '--system')];
  if (typeof properties === 'string') return properties;
  if (typeof known === 'string') return known;
  const content = body?.startsWith('@') ? await readFile(body.slice(1)).catch((error: Error) => error) : Buffer.from(body ?? '');
  if (content instanceof Error) return `the body cannot be read: ${content.message}`;
  const path = sourcePath(source);
  const module = /^\/messages\/modules\/([^/]+)/.exec(path)?.[1];
  const defaults = {
    ...(isJson(content) && { contentType: 'application/json' }),
    ...(module !== undefined && { connectionModuleId: module }),
  };
  return { source: path, body: content, properties, system: { ...defaults, ...known } };
}

/** `score/alarms` is short for `/messages/modules/score/outputs/alarms`. */
function sourcePath(source: string): string {
  if (source.startsWith('/')) return source.replace(/\/\*$/, '');
  const [module, output] = source.split('/');
  return output === undefined ? `/messages/modules/${module}` : `/messages/modules/${module}/outputs/${output}`;
}

function pairs(texts: readonly string[], flag: string): Readonly<Record<string, string>> | string {
  const wrong = texts.find((one) => !/^[^=]+=/.test(one));
  if (wrong !== undefined) return `${flag} ${wrong}: write ${flag} name=value`;
  return Object.fromEntries(texts.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]));
}

function isJson(content: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(content).toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

import { z } from 'zod';
import { isTwinObject } from '../../twin/section.ts';
import type { RouteSpec, StoreAndForward } from '../contract.ts';
import { compileRoutes } from '../routes/table.ts';
import type { Findings, Keys } from './findings.ts';
import { unknownKeys } from './read-module.ts';

const defaultSeconds = 7_200;
const maxSeconds = 4_294_967_295;

const Route = z.strictObject({
  route: z.string(),
  priority: z.int().min(0).max(9).optional(),
  timeToLiveSecs: z.int().min(0).max(maxSeconds).optional(),
});
const Store = z.looseObject({
  timeToLiveSecs: z.int().min(-2_147_483_648).max(2_147_483_647).default(defaultSeconds),
  storeLimits: z.looseObject({ maxSizeBytes: z.int().min(1).optional() }).nullish(),
});

export interface HubSection {
  readonly routes: readonly RouteSpec[];
  readonly storeAndForward: StoreAndForward;
}

/** The desired properties of `$edgeHub`; its routes are compiled to see whether they can be. */
export function readHub(section: Readonly<Record<string, unknown>>, minor: number, keys: Keys, findings: Findings): HubSection {
  unknownKeys(section, ['schemaVersion', 'routes', 'storeAndForwardConfiguration', 'mqttBroker', '$version', '$metadata'], keys, findings);
  if (section.mqttBroker !== undefined)
    findings.warn(
      [...keys, 'mqttBroker'],
      'not-in-this-version',
      'the generic MQTT broker of schema 1.2 is not in this version',
      undefined,
      'key',
    );
  const at = [...keys, 'routes'];
  const routes = readRoutes(section.routes ?? {}, minor, at, findings);
  const storeAndForward = readStore(section, keys, findings);
  const written = isTwinObject(section.routes) ? section.routes : {};
  const keysOf = ({ name }: RouteSpec): Keys => (typeof written[name] === 'string' ? [...at, name] : [...at, name, 'route']);
  findings.all.push(...compileRoutes(routes, storeAndForward, keysOf).problems);
  return { routes, storeAndForward };
}

function readRoutes(value: unknown, minor: number, keys: Keys, findings: Findings): RouteSpec[] {
  const entries = findings.check(value, z.record(z.string(), z.unknown()), keys);
  return Object.entries(entries ?? {}).flatMap(([name, entry]) => readRoute(name, entry, minor, [...keys, name], findings) ?? []);
}

function readRoute(name: string, value: unknown, minor: number, keys: Keys, findings: Findings): RouteSpec | undefined {
  const wrong = /[.$#\s]/.exec(name)?.[0];
  if (wrong !== undefined || name === '')
    findings.error(keys, 'bad-name', `"${name}" cannot be the name of a route`, 'it holds no . $ # and no space', 'key');
  if (typeof value === 'string') return { name, route: value, priority: undefined, timeToLiveSecs: undefined };
  // A manifest takes a route out by null, as a twin does.
  if (value === null) return undefined;
  if (minor === 0) {
    const hint = 'write schemaVersion 1.1 in $edgeHub, or the route as a text';
    findings.error(keys, 'route', `${name}: priority and timeToLiveSecs are of schema 1.1, and this is 1.0`, hint);
    return undefined;
  }
  const found = findings.check(value, Route, keys);
  return found && { name, route: found.route, priority: found.priority, timeToLiveSecs: found.timeToLiveSecs };
}

function readStore(section: Readonly<Record<string, unknown>>, keys: Keys, findings: Findings): StoreAndForward {
  const value = section.storeAndForwardConfiguration ?? {};
  const found = findings.check(value, Store, [...keys, 'storeAndForwardConfiguration']);
  return { timeToLiveSecs: found?.timeToLiveSecs ?? defaultSeconds, maxSizeBytes: found?.storeLimits?.maxSizeBytes };
}

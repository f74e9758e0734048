import { z } from 'zod';
import type { CompiledAddress, PlacedPoint, PointSource, RawSample, Report, SampleReport } from '../../mappings/language.ts';
import type { PayloadAddress } from '../payload/address.ts';
import { compilePayloadPoint } from '../payload/compile.ts';
import { payloadPointKeys } from '../payload/keys.ts';
import { type GivenMessage, givenMessage, payloadSample } from '../payload/sample.ts';
import type { HttpSettings } from './settings.ts';

export const httpPoint = z.strictObject({
  path: z
    .string()
    .max(2000)
    .optional()
    .describe('Path and query below url: /status?unit=1; left out: url itself. Points of one path and `every` share one request'),
  ...payloadPointKeys,
});

/** One value of one page. */
export interface HttpAddress {
  readonly path: string;
  readonly payload: PayloadAddress;
}

export function compileHttpPoint(source: PointSource<HttpSettings>, report: Report): CompiledAddress<HttpAddress> | undefined {
  const path = (source.own.path as string | undefined) ?? '';
  const problem = pathProblem(path);
  if (problem) report('path', { rule: 'http-path', ...problem });
  const compiled = compilePayloadPoint(source, report);
  if (!compiled || problem) return undefined;
  return { ...compiled, address: { path, payload: compiled.address } };
}

function pathProblem(path: string): { readonly message: string; readonly hint: string } | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path) || path.startsWith('//'))
    return { message: `path: "${path}" names a host`, hint: 'Write the path alone; another host is another piece of equipment' };
  if (/[\s\\]/.test(path))
    return { message: `path: "${path}" has a blank or backslash`, hint: `Write ${encodeURI(path.replaceAll('\\', '/'))}` };
  if (path.includes('#'))
    return { message: `path: "${path}" has a fragment, which no server is told`, hint: `Write ${path.slice(0, path.indexOf('#'))}` };
  return undefined;
}

/** The path below the base, which keeps its own: `/api` and `/status` make `/api/status`. */
export function urlOf(base: URL, path: string): URL {
  const url = new URL(base);
  const [pathname = '', query] = path.split(/\?(.*)/s);
  if (pathname !== '') url.pathname = `${base.pathname.replace(/\/+$/, '')}/${pathname.replace(/^\/+/, '')}`;
  if (query !== undefined) url.search = query;
  return url;
}

/** `given: { body: … }` for a machine of one page; `given: { path /status: … }` where there are several. */
export function httpSample(
  given: Readonly<Record<string, unknown>>,
  points: readonly PlacedPoint<HttpAddress>[],
  _settings: HttpSettings,
  report: SampleReport,
): ReadonlyMap<string, RawSample> {
  const paths = new Set(points.map(({ address }) => address.path));
  const rest: Record<string, unknown> = {};
  const messages: GivenMessage<HttpAddress>[] = [];
  for (const [entry, body] of Object.entries(given)) {
    const path = /^path\s+(\S*)$/.exec(entry)?.[1];
    if (path === undefined) rest[entry] = body;
    else if (paths.has(path)) messages.push({ entry, body, reaches: (point) => point.address.path === path });
    else {
      report(entry, {
        rule: 'http-given',
        message: `no point has path: ${path}`,
        hint: `Paths are ${[...paths].map((each) => each || '""').join(', ')}`,
      });
    }
  }
  if (Object.keys(rest).length === 0) return payloadSample(messages, points, (address) => address.payload, report);
  const whole = givenMessage<HttpAddress>(rest, report);
  const all = messages.length === 0 ? [whole] : messages.map((message) => ({ ...message, properties: whole.properties ?? {} }));
  return payloadSample(all, points, (address) => address.payload, report);
}

/**
 * usage: node route-probe.ts ROUTES SECONDS
 *
 * Prints one line of JSON: how often a second one message of 300 bytes is matched against tables of so many routes, `wants` is asked, and,
 * beside it, its body is parsed. Every message is an object of its own, as they come from a broker.
 */
import type { RoutedMessage } from '../../deployments/contract.ts';
import { type CompiledTable, compileRoutes } from '../../deployments/routes/table.ts';

const routes = Number(process.argv[2]);
const seconds = Number(process.argv[3]);

function table(routeOf: (at: number) => string): CompiledTable {
  const specs = Array.from({ length: routes }, (_, at) => ({
    name: `r${at}`,
    route: routeOf(at),
    priority: at % 10,
    timeToLiveSecs: undefined,
  }));
  const compiled = compileRoutes(specs, { timeToLiveSecs: 7200 });
  if (!compiled.table) throw new Error(`the routes of the bench are refused: ${JSON.stringify(compiled.problems.slice(0, 3))}`);
  return compiled.table;
}

const source = (at: number): string => `/messages/modules/module-${at}/outputs/out`;
const sources = Array.from({ length: routes }, (_, at) => source(at));
const into = (at: number): string => `BrokeredEndpoint("/modules/sink-${at}/inputs/in")`;
const body = Buffer.from(JSON.stringify({ machine: 'mixer-1', temperature: 25, text: 'x'.repeat(250) }));
const message = (at: number): RoutedMessage => ({
  source: sources[at % routes]!,
  body,
  properties: { level: String(at % routes), site: 'leeds' },
  system: { contentType: 'application/json', contentEncoding: 'utf-8', connectionModuleId: 'module-1' },
});

/** A route for each source: one of them takes it. */
const bySource = table((at) => `FROM ${source(at)} INTO ${into(at)}`);
/** All look at a property; one of them takes it. */
const byProperty = table((at) => `FROM /messages/* WHERE level = '${at}' INTO ${into(at)}`);
/** All look into the body; half of them take it. */
const byBody = table((at) => `FROM /messages/* WHERE $body.temperature > ${at} INTO ${into(at)}`);

function perSecond(work: (at: number) => number, expected: number): number {
  let found = 0;
  const slice = (from: number): number => {
    for (let at = 0; at < 1000; at++) found += work(from + at);
    return from + 1000;
  };
  const during = (ms: number): number => {
    let done = 0;
    for (const endMs = performance.now() + ms; performance.now() < endMs; ) done = slice(done);
    return done;
  };
  during((seconds * 1000) / 2);
  found = 0;
  const began = performance.now();
  const done = during(seconds * 1000);
  if (found !== done * expected) throw new Error(`${found} targets for ${done} messages, ${expected} each were expected`);
  return done / ((performance.now() - began) / 1000);
}

const matching = (of: CompiledTable, expected: number): number => perSecond((at) => of.match(message(at)).length, expected);
const parsed = (): number => (JSON.parse(body.toString()) as { temperature: number }).temperature;
console.log(
  JSON.stringify({
    parse: perSecond(parsed, 25),
    bySource: matching(bySource, 1),
    byProperty: matching(byProperty, 1),
    byBody: matching(byBody, Math.min(25, routes)),
    wants: perSecond((at) => Number(bySource.wants(sources[at % routes]!, 'input')), 1),
  }),
);

import { parseArgs } from 'node:util';
import { type SimulatedVariable, startSimulator } from '../simulator.ts';
import { mixerNamespace, startMixer } from './mixer.ts';

// A simulated machine in a process of its own, to be killed, frozen and restarted by tests and benches:
// node adapters/opcua/simulators/main.ts --port 4840 --folder /tmp/pki [--mixer | --variables 1000 --every 100]
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    folder: { type: 'string' },
    mixer: { type: 'boolean', default: false },
    namespace: { type: 'string', default: mixerNamespace },
    /** Namespaces that are registered before the machine's own. */
    before: { type: 'string', multiple: true, default: [] },
    variables: { type: 'string', default: '10' },
    /** Milliseconds between two changes of every moving variable; 0: none moves. */
    every: { type: 'string', default: '0' },
    insecure: { type: 'boolean', default: false },
    user: { type: 'string' },
    password: { type: 'string', default: '' },
    trust: { type: 'string', multiple: true },
    maxRead: { type: 'string' },
    maxMonitor: { type: 'string' },
    maxTranslate: { type: 'string' },
  },
});

if (values.port === undefined || values.folder === undefined) {
  process.stderr.write('--port and --folder are needed\n');
  process.exit(2);
}
const common = { port: Number(values.port), host: values.host, folder: values.folder };
const optional = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

const server = values.mixer
  ? await startMixer({ ...common, onFault: ({ text }) => process.stdout.write(`${text}\n`) })
  : await startPlain();
process.stdout.write(`ready ${server.endpoint}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, async () => {
    await server[Symbol.asyncDispose]();
    process.exit(0);
  });
}

/**
 * `Plant.V0` … of type Double hold their own number as long as nothing moves; with `--every` they count up from it.
 * `Plant.Name` names the namespaces before this one, so that a test sees which life of the server answers.
 */
async function startPlain() {
  const count = Number(values.variables);
  const variables: SimulatedVariable[] = Array.from({ length: count }, (_, i) => ({ id: `Plant.V${i}`, type: 'Double', value: i }));
  const maxNodesPerRead = optional(values.maxRead);
  const maxMonitoredItemsPerCall = optional(values.maxMonitor);
  const maxNodesPerTranslate = optional(values.maxTranslate);
  const simulator = await startSimulator({
    ...common,
    namespace: values.namespace,
    namespacesBefore: values.before,
    variables: [...variables, { id: 'Plant.Name', type: 'String', value: values.before.join(' ') || 'plain' }],
    // The namespaces before ours hold the same node ids with other values: an index that moved is then seen.
    decoys: values.before.length > 0 ? variables.slice(0, 10).map((each) => ({ ...each, value: -1 })) : [],
    secure: !values.insecure,
    ...(values.user !== undefined && { user: { name: values.user, password: values.password } }),
    ...(values.trust && { trustedClients: values.trust }),
    ...(maxNodesPerRead !== undefined && { maxNodesPerRead }),
    ...(maxMonitoredItemsPerCall !== undefined && { maxMonitoredItemsPerCall }),
    ...(maxNodesPerTranslate !== undefined && { maxNodesPerTranslate }),
  });
  const everyMs = Number(values.every);
  if (everyMs > 0) {
    let round = 0;
    setInterval(() => {
      round++;
      const now = new Date();
      for (let i = 0; i < count; i++) simulator.set(`Plant.V${i}`, i + round, undefined, now);
    }, everyMs);
  }
  return simulator;
}

/**
 * An OPC UA server (node-opcua, a process of its own) whose variables all change at a given rate.
 *
 * usage: node opcua-server.ts ITEMS PERIOD_MS
 * Variables are `ns=1;s=vI` of namespace urn:dragoman:bench, Doubles, exception based (minimum sampling interval 0): the cheapest way
 * such a server has. Its keys go below XDG_CONFIG_HOME. Prints `ready PORT`; on SIGUSR2 `count VALUES_WRITTEN`. A server that cannot keep the rate writes fewer, and the count says so.
 */
import { DataType, StatusCodes, Variant } from 'node-opcua-client';
import { OPCUAServer } from 'node-opcua-server';
import { freePort } from '../../test/support/ports.ts';

const items = Number(process.argv[2] ?? 1000);
const periodMs = Number(process.argv[3] ?? 100);
process.on('SIGTERM', () => process.exit(0));

const port = await freePort();
const server = new OPCUAServer({
  port,
  hostname: '127.0.0.1',
  serverInfo: { applicationUri: 'urn:dragoman:bench' },
  serverCapabilities: { maxMonitoredItems: 1_000_000, maxMonitoredItemsPerSubscription: 1_000_000 },
});
await server.initialize();
const { addressSpace } = server.engine;
if (!addressSpace) throw new Error('no address space');
const namespace = addressSpace.getOwnNamespace();
const folder = namespace.addFolder(addressSpace.rootFolder.objects, { browseName: 'Bench' });
const variables: ReturnType<typeof namespace.addVariable>[] = [];
for (let i = 0; i < items; i++) {
  variables.push(
    namespace.addVariable({
      organizedBy: folder,
      browseName: `v${i}`,
      nodeId: `s=v${i}`,
      dataType: 'Double',
      minimumSamplingInterval: 0,
      value: { dataType: DataType.Double, value: i },
    }),
  );
}
await server.start();

let written = 0;
let tick = 0;
let due = performance.now() + periodMs;
function write(): void {
  tick++;
  const base = (tick % 1000) / 4;
  for (let i = 0; i < items; i++) {
    variables[i]!.setValueFromSource(new Variant({ dataType: DataType.Double, value: base + (i % 100) }), StatusCodes.Good);
  }
  written += items;
  const now = performance.now();
  due = Math.max(due + periodMs, now);
  setTimeout(write, due - now);
}
setTimeout(write, periodMs);
process.on('SIGUSR2', () => process.stdout.write(`count ${written}\n`));
process.stdout.write(`ready ${port}\n`);

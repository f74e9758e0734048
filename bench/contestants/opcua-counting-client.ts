/**
 * The limit: a node-opcua client that subscribes to the items and only counts what comes.
 *
 * Its keys go below XDG_CONFIG_HOME.
 *
 * usage: node opcua-counting-client.ts ENDPOINT ITEMS PUBLISHING_MS
 */
import {
  AttributeIds,
  ClientMonitoredItemGroup,
  ClientSubscription,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  TimestampsToReturn,
} from 'node-opcua-client';

const [endpoint = '', itemsText = '1000', publishingText = '100'] = process.argv.slice(2);
const items = Number(itemsText);
const publishingMs = Number(publishingText);

const client = OPCUAClient.create({
  endpointMustExist: false,
  securityMode: MessageSecurityMode.None,
  securityPolicy: SecurityPolicy.None,
});
await client.connect(endpoint);
const session = await client.createSession();
const subscription = ClientSubscription.create(session, {
  requestedPublishingInterval: publishingMs,
  requestedLifetimeCount: 300,
  requestedMaxKeepAliveCount: 100,
  maxNotificationsPerPublish: 0,
  publishingEnabled: true,
  priority: 1,
});
let count = 0;
const groupSize = 1000;
for (let start = 0; start < items; start += groupSize) {
  const wanted = Array.from({ length: Math.min(groupSize, items - start) }, (_, i) => ({
    nodeId: `ns=1;s=v${start + i}`,
    attributeId: AttributeIds.Value,
  }));
  const group = ClientMonitoredItemGroup.create(
    subscription,
    wanted,
    { samplingInterval: 0, queueSize: 10, discardOldest: true },
    TimestampsToReturn.Both,
  );
  await new Promise<void>((resolve) => group.once('initialized', () => resolve()));
  group.on('changed', () => {
    count++;
  });
}
// A session that is left behind would keep the server busy during the next run.
process.on('SIGTERM', () => {
  void session.close(true).finally(() => process.exit(0));
});
process.on('SIGUSR2', () => process.stdout.write(`count ${count}\n`));
process.stdout.write('ready\n');

import { expect, test } from 'vitest';
import type { ModuleIdentity } from '../../../deployments/contract.ts';
import { keyProof } from '../../../hub-client/azure/credentials.ts';
import { azure } from '../../../hub-client/azure/definition.ts';
import { capability, titled } from '../../../test/support/capabilities.ts';
import { startMosquitto } from '../../../test/support/mosquitto.ts';
import { listLog } from '../../twin/testing/support.ts';
import { EdgeUpstream } from './edge-upstream.ts';
import { messageOf } from './testing/box.ts';

const mosquitto = capability('mosquitto');
const key = Buffer.alloc(32, 5).toString('base64');

test.skipIf(!mosquitto.ok)(
  titled('a broker that takes telemetry and answers nothing else: messages go out on the topics of their modules', mosquitto),
  async () => {
    await using broker = await startMosquitto();
    const identity = (moduleId: string): ModuleIdentity => ({ deviceId: 'box-1', moduleId, generationId: '1', primaryKey: key });
    const connected = Promise.withResolvers<void>();
    const settings = azure.settings.parse({ connectionString: { file: 'hub' }, answerTimeout: '1s' });
    await using upstream = new EdgeUpstream({
      place: {
        settings,
        httpsPort: () => undefined,
        device: async () => ({
          hub: 'localhost',
          host: 'localhost',
          port: broker.port,
          deviceId: 'box-1',
          proof: keyProof(key),
          ca: broker.ca.certificate,
        }),
      },
      identities: { get: identity, ensure: async (moduleId) => identity(moduleId), refresh: async () => ({ changed: [], failed: [] }) },
      log: listLog(),
      onDeployment: () => expect.unreachable('nobody deployed anything'),
      onAgentMethod: async () => ({ status: 404 }),
      onModuleDesired: () => expect.unreachable('there is no twin'),
      onModuleMethod: async () => ({ status: 404 }),
      onConnected: (moduleId) => moduleId === 'filter' && connected.resolve(),
    });
    upstream.setModules(['filter']);
    await connected.promise;
    await upstream.sender.send(messageOf('filter', '{"over":12}', { messageId: 'm-1' }));
    const lines = await broker.seen(1);
    const bag = '%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&%24.on=out&severity=high&%C3%BCn%C3%AFcode%20key=a%26b%3Dc';
    expect(lines.filter((line) => line.includes('/messages/events/'))).toEqual([`devices/box-1/modules/filter/messages/events/${bag} 11`]);
    await broker.kill();
    await expect(
      expect
        .poll(() => upstream.state().links.filter)
        .toMatchObject({ connected: false })
        .then(() => upstream.sender.send(messageOf('filter', '1'))),
    ).rejects.toMatchObject({ code: 'hub-module-offline', retry: 'with-backoff' });
  },
  30_000,
);

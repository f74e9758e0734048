import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { hubClientContract, hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import type { HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { type AmqpSettings, amqp } from './definition.ts';
import { type PeerOptions, startProtonPeer } from './testcases/proton-peer.ts';

const proton = capability('proton');

const cbsName = 'sender';
const cbsKey = 'k3y/of+a=policy';
const connectionString = (port: number, key = cbsKey): string =>
  `Endpoint=sb://localhost:${port}/;SharedAccessKeyName=${cbsName};SharedAccessKey=${key};EntityPath=plant;UseDevelopmentEmulator=true\n`;
const settings = (more: object = {}): AmqpSettings => amqp.settings.parse({ connectionString: { file: 'hub' }, ...more });
/** A token is dated in whole seconds. */
const shortLived = (more: object = {}): AmqpSettings => ({ ...settings(more), tokenLifetime: 2_500 });

interface TokenSeen {
  readonly audience: string;
  readonly status: number;
  readonly lifetime: number;
}

describe.skipIf(!proton.ok)(titled('SAS over CBS, against Qpid Proton that checks every token', proton), () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => {
    stack = new AsyncDisposableStack();
  });
  afterEach(() => stack.disposeAsync());
  const start = async (options: PeerOptions = {}) => stack.use(await startProtonPeer({ cbsName, cbsKey, ...options }));
  const open = async (with_: AmqpSettings, files: Record<string, string>): Promise<HubSession> =>
    stack.use(await connect(with_, hubContext('.', files), new AbortController().signal));

  hubClientContract('amqp, Service Bus by a connection string', amqp, async () => {
    const peer = await startProtonPeer({ cbsName, cbsKey, maxMessage: 262_144 });
    return {
      files: { hub: connectionString(peer.port) },
      bench: {
        settings: settings(),
        shortLived: shortLived(),
        taken: (count) => peer.took(count),
        stall: () => peer.tell({ script: ['hold'] }),
        cut: () => peer[Symbol.asyncDispose](),
        [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
      },
    };
  });

  test('one token for the entity, valid as long as asked; all messages of the gateway in one partition', async () => {
    const peer = await start();
    const session = await open(settings({ broker: 'eventhubs' }), { hub: connectionString(peer.port) });
    await session.send(hubMessage('m-1'));
    await peer.saw(1);
    expect(peer.all<TokenSeen>('token')).toEqual([{ audience: 'sb://localhost/plant', status: 202, lifetime: expect.closeTo(3_600, -1) }]);
    expect(await peer.saw(1)).toMatchObject([
      { address: 'plant', annotations: { 'x-opt-partition-key': 'gw-test-1' }, groupId: 'gw-test-1', properties: { gateway: 'gw-test-1' } },
    ]);
  });

  test('a token for each address; a link that is closed for want of use renews no more', async () => {
    const peer = await start();
    const session = await open(
      { ...shortLived({ address: 'q-{equipment}' }), closeLinkAfter: 1_000 },
      { hub: connectionString(peer.port) },
    );
    const about = (equipment: string) => ({ equipment, path: '', message: 'x', priority: 'telemetry' }) as const;
    await session.send({ ...hubMessage('m-1'), about: about('a') });
    await session.send({ ...hubMessage('m-2'), about: about('b') });
    const audiences = () => peer.all<TokenSeen>('token').map(({ audience }) => audience);
    await peer.took(2);
    expect(audiences()).toEqual(['sb://localhost/q-a', 'sb://localhost/q-b']);
    await peer.until(() => peer.all<string>('detached').filter((address) => address.startsWith('q-')).length === 2);
    // A renewal that was under way when its link was closed may still arrive; none may follow it.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = audiences().length;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(audiences()).toHaveLength(before);
  });

  test('a wrong key is refused at connect, with a cure and without the key', async () => {
    const peer = await start();
    const failed = open(settings(), { hub: connectionString(peer.port, 'wrong-secret') });
    await expect(failed).rejects.toMatchObject({
      code: 'hub-credentials',
      retry: 'after-fix',
      message: expect.stringContaining('401 (InvalidSignature)'),
    });
    await expect(failed).rejects.not.toBeInstanceOf(NotConnectedError);
    await failed.catch((error: { message: string; hint: string }) => expect(error.message + error.hint).not.toContain('wrong-secret'));
  });

  test('a key that is rotated on disk comes into use with the next token', async () => {
    const peer = await start();
    const files: Record<string, string> = { hub: connectionString(peer.port) };
    await open(shortLived(), files);
    files.hub = connectionString(peer.port, 'another');
    const seen = await peer.until(() => peer.all<TokenSeen>('token').find(({ status }) => status === 401));
    expect(seen.audience).toBe('sb://localhost/plant');
  });

  test('a renewal that is refused ends the session before the token does', async () => {
    const peer = await start();
    const files: Record<string, string> = { hub: connectionString(peer.port) };
    const session = await open(shortLived(), files);
    files.hub = connectionString(peer.port, 'another');
    expect(await session.closed).toMatchObject({ code: 'hub-credentials', retry: 'after-fix' });
    await expect(session.send(hubMessage('m-1'))).rejects.toBeInstanceOf(NotConnectedError);
  });

  test('a link that the service takes away while nothing happens is opened again for the next message', async () => {
    const peer = await start();
    const session = await open(settings(), { hub: connectionString(peer.port) });
    await session.send(hubMessage('m-1'));
    // Ten minutes without a message, as far as the client can tell.
    const realNow = performance.now;
    performance.now = () => realNow.call(performance) + 600_000;
    stack.defer(() => {
      performance.now = realNow;
    });
    await peer.tell({ detach: ['amqp:link:detach-forced', 'the link was inactive for 10 minutes'] });
    await peer.until(() => peer.all<string>('detached').includes('plant'));
    await session.send(hubMessage('m-2'));
    expect(await peer.took(2)).toEqual(['m-1', 'm-2']);
  });

  test.for([
    { text: 'Endpoint=sb://localhost/;SharedAccessKeyName=a;SharedAccessKey=b', problem: 'name a queue' },
    { text: 'HostName=x.azure-devices.net;DeviceId=d;SharedAccessKey=k', problem: 'IoT Hub' },
  ])('$problem', async ({ text, problem }) => {
    await expect(open(settings(), { hub: text })).rejects.toMatchObject({
      code: 'connection-string',
      retry: 'after-fix',
      message: expect.stringContaining(problem),
    });
  });

  test('a ready-made token that has run out', async () => {
    const peer = await start();
    const hub = `Endpoint=sb://localhost:${peer.port}/;EntityPath=plant;UseDevelopmentEmulator=true;SharedAccessSignature=SharedAccessSignature sr=x&sig=y&se=1700000000&skn=z`;
    await expect(open(settings(), { hub })).rejects.toMatchObject({
      code: 'hub-credentials',
      message: expect.stringContaining('2023-11-14T22:13:20.000Z'),
    });
  });
});

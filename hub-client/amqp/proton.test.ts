import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../adapters/contract.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { hubClientContract, hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { amqp } from './definition.ts';
import { type PeerOptions, startProtonPeer } from './testcases/proton-peer.ts';

const proton = capability('proton');
const noRenewal = { 'renews its credentials without losing or reordering a message': 'no token here; see CBS' } as const;

const about = (equipment: string, message = 'process') =>
  ({ equipment, path: 'candyco/leeds/line-1', message, priority: 'telemetry' }) as const;

describe.skipIf(!proton.ok)(titled('against Qpid Proton', proton), () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => {
    stack = new AsyncDisposableStack();
  });
  afterEach(() => stack.disposeAsync());

  const logged: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const log = Object.fromEntries(
    (['debug', 'info', 'warn', 'error'] as const).map((level) => [
      level,
      (fields: object, message: string) => logged.push({ level, fields: { ...fields }, message }),
    ]),
  ) as unknown as Log;

  const start = async (options: PeerOptions = {}) => stack.use(await startProtonPeer(options));
  const open = async (port: number, settings: object = {}, secrets = {}): Promise<HubSession> => {
    const parsed = amqp.settings.parse({ url: `amqp://localhost:${port}`, sasl: 'anonymous', address: 'q', ...settings });
    return stack.use(await connect(parsed, { ...hubContext('.', secrets), log }, new AbortController().signal));
  };
  const sendAll = (session: HubSession, ids: readonly string[]) => Promise.all(ids.map((id) => session.send(hubMessage(id))));

  hubClientContract(
    'amqp, Qpid Proton',
    amqp,
    async () => {
      const peer = await startProtonPeer({ maxMessage: 1_000_000 });
      return {
        files: {},
        bench: {
          settings: amqp.settings.parse({ url: `amqp://localhost:${peer.port}`, sasl: 'anonymous', address: 'q' }),
          taken: (count) => peer.took(count),
          stall: () => peer.tell({ script: ['hold'] }),
          cut: () => peer[Symbol.asyncDispose](),
          [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
        },
      };
    },
    noRenewal,
  );

  hubClientContract(
    'amqp, Qpid Proton that settles late, a link for each machine, few credits, gzip',
    amqp,
    async () => {
      const peer = await startProtonPeer({ script: ['accept-unsettled'], credit: 3 });
      return {
        files: {},
        bench: {
          settings: amqp.settings.parse({
            url: `amqp://localhost:${peer.port}`,
            sasl: 'anonymous',
            address: 'plant/{equipment}',
            compression: 'gzip',
          }),
          taken: (count) => peer.took(count),
          stall: () => peer.tell({ script: ['hold'] }),
          cut: () => peer[Symbol.asyncDispose](),
          [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
        },
      };
    },
    {
      ...noRenewal,
      'refuses a message that can never be taken, and stays connected': 'white space is nothing once it is compressed',
    },
  );

  test('a message is what AMQP says, in every section', async () => {
    const peer = await start();
    const session = await open(peer.port, { partitionKey: 'equipment' });
    expect(session.grain).toBe('event');
    const body = Buffer.from('{"ü":1}');
    const message: HubMessage = { ...hubMessage('gw-1-7-9', body), about: about('cooker-1'), properties: { site: 'Zürich' } };
    await session.send(message);
    const [seen] = await peer.saw(1);
    expect(seen).toMatchObject({
      address: 'q',
      id: 'gw-1-7-9',
      subject: 'cooker-1',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      durable: true,
      groupId: 'cooker-1',
      data: true,
      annotations: { 'x-opt-partition-key': 'cooker-1' },
      properties: {
        gateway: 'gw-test-1',
        equipment: 'cooker-1',
        path: 'candyco/leeds/line-1',
        message: 'process',
        priority: 'telemetry',
        site: 'Zürich',
      },
      sha256: createHash('sha256').update(body).digest('hex'),
    });
    expect(seen?.created).toBeCloseTo(message.createdMs / 1000, 3);
    await peer.until(() => peer.all('opened').length > 0);
    expect(peer.all('opened')).toEqual([{ container: 'dragoman-gw-test-1', hostname: 'localhost', user: 'anonymous' }]);
  });

  test('an address for each machine: a link each, order kept on each, the oldest idle one closed beyond the limit', async () => {
    const peer = await start();
    const session = await open(peer.port, { address: '{gateway}/{path}/{equipment}', maxLinks: 2 });
    expect(session.grain).toBe('event');
    for (let n = 0; n < 4; n++) {
      for (const machine of ['a', 'b', 'c']) await session.send({ ...hubMessage(`${machine}-${n}`), about: about(machine) });
    }
    await peer.took(12);
    const attached = peer.all<{ address: string }>('attached').map(({ address }) => address);
    expect(new Set(attached)).toEqual(new Set(['a', 'b', 'c'].map((machine) => `gw-test-1/candyco/leeds/line-1/${machine}`)));
    await peer.until(() => peer.all('detached').length === attached.length - 2);
    expect((await peer.took(12)).filter((id) => id.startsWith('b'))).toEqual(['b-0', 'b-1', 'b-2', 'b-3']);
  });

  test('a link that nobody uses is closed, and opened again', async () => {
    const peer = await start();
    const session = await open(peer.port, { address: 'x/{equipment}', closeLinkAfter: '1s' });
    await session.send({ ...hubMessage('m-1'), about: about('a') });
    await peer.until(() => peer.all('detached').length === 1);
    await session.send({ ...hubMessage('m-2'), about: about('a') });
    expect(await peer.took(2)).toEqual(['m-1', 'm-2']);
  });

  describe('outcomes', () => {
    test('rejected: this message alone, with the words of the broker', async () => {
      const peer = await start({ script: ['accept', ['reject', 'amqp:decode-error', 'not a cooker'], 'accept'] });
      const session = await open(peer.port);
      const [first, second, third] = await Promise.allSettled(['m-1', 'm-2', 'm-3'].map((id) => session.send(hubMessage(id))));
      expect([first?.status, third?.status]).toEqual(['fulfilled', 'fulfilled']);
      expect(second).toMatchObject({
        reason: { code: 'hub-rejected', retry: 'never', message: expect.stringContaining('amqp:decode-error: not a cooker') },
      });
      expect((second as PromiseRejectedResult).reason).toBeInstanceOf(GatewayError);
      expect((second as PromiseRejectedResult).reason.message).toContain(`q at localhost:${peer.port}`);
    });

    test('modified, undeliverable here: never', async () => {
      const peer = await start({ script: ['undeliverable', 'accept'] });
      const session = await open(peer.port);
      await expect(session.send(hubMessage('m-1'))).rejects.toMatchObject({ code: 'hub-rejected', retry: 'never' });
      await session.send(hubMessage('m-2'));
    });

    test.for(['release', 'modify', 'nothing'])('%s: once more, and what is new waits behind it', async (how) => {
      const peer = await start({ script: ['hold'] });
      const session = await open(peer.port, { window: 4 });
      const ids = Array.from({ length: 12 }, (_, n) => `m-${n}`);
      const sent = sendAll(session, ids);
      const seen = () => peer.messages().map(({ id }) => id);
      await peer.until(() => seen().length === 4);
      await peer.tell({ settle: ['accept', how, how, 'accept'] });
      // These two alone, in their order; m-3 had been on the wire behind them.
      await peer.until(() => seen().length === 6);
      await peer.tell({ settle: [how, how] });
      await peer.until(() => seen().length === 8);
      await peer.tell({ script: ['accept'] });
      await peer.tell({ settle: 'accept' });
      await sent;
      expect(seen()).toEqual(['m-0', 'm-1', 'm-2', 'm-3', 'm-1', 'm-2', 'm-1', 'm-2', ...ids.slice(4)]);
    });

    test('released for ever: the session ends, nothing is dropped, a person is asked', async () => {
      const peer = await start({ script: ['release'], product: { product: 'RabbitMQ', version: '4.0.5' } });
      const session = await open(peer.port, { address: '/exchanges/plant/x' });
      const sent = session.send(hubMessage('m-1'));
      await expect(sent).rejects.toMatchObject({
        code: 'hub-unroutable',
        retry: 'after-fix',
        hint: expect.stringContaining('RabbitMQ 4.0.5 releases'),
      });
      await expect(sent).rejects.toBeInstanceOf(NotConnectedError);
      expect(await peer.saw(6)).toHaveLength(6);
    });

    test.for([
      { condition: 'amqp:resource-limit-exceeded', code: 'hub-throttled', retry: 'with-backoff' },
      { condition: 'com.microsoft:server-busy', code: 'hub-throttled', retry: 'with-backoff' },
      { condition: 'com.microsoft:timeout', code: 'hub-busy', retry: 'with-backoff' },
      { condition: 'amqp:internal-error', code: 'hub-busy', retry: 'with-backoff' },
      { condition: 'amqp:unauthorized-access', code: 'hub-address', retry: 'after-fix' },
    ])('rejected with $condition: no message is at fault, the session ends with $code', async ({ condition, code, retry }) => {
      const peer = await start({ script: ['accept', ['reject', condition, 'words'], 'hold'] });
      const session = await open(peer.port);
      await session.send(hubMessage('m-1'));
      const others = await Promise.allSettled(['m-2', 'm-3'].map((id) => session.send(hubMessage(id))));
      for (const other of others) expect((other as PromiseRejectedResult).reason).toBeInstanceOf(NotConnectedError);
      expect(await session.closed).toMatchObject({ code, retry, message: expect.stringContaining('words') });
    });

    test('a RabbitMQ that rejects without a word has a full queue, not a bad message', async () => {
      const peer = await start({ script: ['reject'], product: { product: 'RabbitMQ', version: '4.1.0' } });
      const session = await open(peer.port);
      await expect(session.send(hubMessage('m-1'))).rejects.toMatchObject({ code: 'hub-throttled' });
    });

    test('a body beyond what the broker takes is refused here, and never sent', async () => {
      const peer = await start({ maxMessage: 100_000 });
      const session = await open(peer.port);
      expect(session.maxBodyBytes).toBe(100_000 - 2_048);
      await expect(session.send(hubMessage('m-1', 'x'.repeat(100_000)))).rejects.toMatchObject({
        code: 'message-too-large',
        retry: 'never',
        message: expect.stringContaining('m-1'),
      });
      await session.send(hubMessage('m-2', 'x'.repeat(session.maxBodyBytes)));
      expect(await peer.took(1)).toEqual(['m-2']);
    });
  });

  test('a broker that leaves the settling to us never fills the buffer of the library, which holds 2048', async () => {
    const peer = await start({ script: ['accept-unsettled'], credit: 500 });
    const session = await open(peer.port, { window: 500 });
    const ids = Array.from({ length: 2_500 }, (_, n) => `m-${n}`);
    await sendAll(session, ids);
    expect(await peer.took(2_500)).toEqual(ids);
  });

  describe('a broker that grants no credit', () => {
    test('is waited for, and nothing is lost', async () => {
      const peer = await start({ credit: 0 });
      const session = await open(peer.port, { ackTimeout: '5s' });
      const sent = sendAll(session, ['m-1', 'm-2', 'm-3']);
      await peer.until(() => peer.all('attached').length === 1);
      await peer.tell({ credit: 1 });
      await peer.took(1);
      await peer.tell({ credit: 10 });
      await sent;
      expect(await peer.took(3)).toEqual(['m-1', 'm-2', 'm-3']);
    });

    test('does not hold up another address', async () => {
      const peer = await start();
      const session = await open(peer.port, { address: 'x/{equipment}' });
      await session.send({ ...hubMessage('m-1'), about: about('a') });
      await peer.tell({ script: ['hold', 'accept'] });
      const held = session.send({ ...hubMessage('m-2'), about: about('a') });
      await session.send({ ...hubMessage('m-3'), about: about('b') });
      await peer.tell({ settle: 'accept' });
      await held;
    });
  });

  describe('the end', () => {
    test.for([
      { how: 'detach', code: 'hub-detached' },
      { how: 'end', code: 'hub-detached' },
      { how: 'close', code: 'hub-closed' },
    ])('$how without a word, with messages on the wire: all of them are rejected', async ({ how, code }) => {
      const peer = await start({ script: ['hold'] });
      const session = await open(peer.port);
      const sends = Promise.allSettled(['m-1', 'm-2'].map((id) => session.send(hubMessage(id))));
      await peer.until(() => peer.messages().length === 2);
      await peer.tell({ [how]: null });
      for (const { reason } of (await sends) as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(NotConnectedError);
      expect(await session.closed).toMatchObject({ code, message: expect.stringContaining(`localhost:${peer.port}`) });
    });

    test.for([
      { how: 'detach', condition: 'amqp:resource-deleted', code: 'hub-address', retry: 'after-fix' },
      { how: 'detach', condition: 'amqp:link:detach-forced', code: 'hub-detached', retry: 'with-backoff' },
      { how: 'end', condition: 'amqp:not-found', code: 'hub-address', retry: 'after-fix' },
      { how: 'close', condition: 'amqp:connection:forced', code: 'hub-closed', retry: 'with-backoff' },
      { how: 'close', condition: 'amqp:unauthorized-access', code: 'hub-refused', retry: 'after-fix' },
    ])('$how with $condition says so', async ({ how, condition, code, retry }) => {
      const peer = await start({ script: ['hold'] });
      const session = await open(peer.port);
      const sent = session.send(hubMessage('m-1'));
      // Looked at below; it must not be an unhandled rejection until then.
      sent.catch(() => {});
      await peer.until(() => peer.messages().length === 1);
      await peer.tell({ [how]: [condition, 'because'] });
      await expect(sent).rejects.toBeInstanceOf(NotConnectedError);
      expect(await session.closed).toMatchObject({ code, retry, message: expect.stringMatching(`${condition}.*because`) });
    });

    test('a broker that freezes is found by its silence, within the idle time', async () => {
      const peer = await start({ script: ['hold'] });
      const session = await open(peer.port, { idleTimeout: '2s' });
      const sent = session.send(hubMessage('m-1'));
      // Looked at below; it must not be an unhandled rejection until then.
      sent.catch(() => {});
      await peer.until(() => peer.messages().length === 1);
      const startMs = performance.now();
      peer.signal('SIGSTOP');
      await expect(sent).rejects.toMatchObject({ code: 'hub-silent' });
      expect(performance.now() - startMs).toBeLessThan(4_500);
      expect(await session.closed).toMatchObject({ code: 'hub-silent' });
    });

    test('a living broker that settles nothing throttles', async () => {
      const peer = await start({ script: ['hold'] });
      const session = await open(peer.port, { ackTimeout: '5s', idleTimeout: '2s' });
      await expect(session.send(hubMessage('m-1'))).rejects.toMatchObject({ code: 'hub-throttled' });
    });
  });

  describe('connecting', () => {
    test('a target that the broker refuses is told at connect', async () => {
      const peer = await start({ refuse: { q: ['amqp:not-found', 'no such queue'] } });
      const failed = open(peer.port);
      await expect(failed).rejects.toMatchObject({
        code: 'hub-address',
        retry: 'after-fix',
        message: expect.stringContaining('no such queue'),
      });
      await expect(failed).rejects.not.toBeInstanceOf(NotConnectedError);
    });

    test('a target that is another than asked for is not taken', async () => {
      const peer = await start({ elsewhere: 'dead-letters' });
      await expect(open(peer.port)).rejects.toMatchObject({ code: 'hub-address', message: expect.stringContaining('"dead-letters"') });
    });

    test.for([
      { name: 'Artemis', product: { product: 'apache-activemq-artemis', version: '2.40.0' }, capabilities: ['queue'] },
      { name: 'another', product: { product: 'qpid-cpp', version: '1.39.0' }, capabilities: [] },
    ])('$name is asked for $capabilities', async ({ product, capabilities }) => {
      const peer = await start({ product });
      await open(peer.port);
      await peer.until(() => peer.all('attached').length > 0);
      expect(peer.all('attached')).toMatchObject([{ address: 'q', capabilities }]);
    });

    test('a RabbitMQ 3 that may lose messages is refused, unless asked for', async () => {
      const peer = await start({ product: { product: 'RabbitMQ', version: '3.13.1' } });
      await expect(open(peer.port, { address: '/topic/x' })).rejects.toMatchObject({
        code: 'hub-unroutable',
        retry: 'after-fix',
        hint: expect.stringContaining('allowUnroutable'),
      });
      await open(peer.port, { address: '/topic/x', allowUnroutable: true });
      await expect(open(peer.port, { address: '/queues/x' })).rejects.toMatchObject({ hint: expect.stringContaining('/queue/NAME') });
    });
  });
});

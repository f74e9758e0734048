import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import rhea, { type Connection, type EventContext, type Message, type Receiver, type Sender } from 'rhea';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capability, debianPython, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { signSas } from '../sas.ts';
import { type BareHub, startBareHub } from '../service/testcases/bare-hub.ts';

let hub: BareHub;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const folder = stack.use(tempFolder());
  hub = stack.use(await startBareHub(folder.path));
  await hub.core.identities.create({ deviceId: 'gw-1' });
});
afterAll(() => stack.disposeAsync());

function token(policy = 'service', seconds = 60, sr = 'localhost'): string {
  const expiry = String(Math.floor(Date.now() / 1000) + seconds);
  const key = hub.core.policies.get(policy)?.primaryKey as string;
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signSas(key, sr, expiry))}&skn=${policy}&se=${expiry}`;
}

/** A client of bare AMQP. `options` say how it logs in. */
async function open(options: object = {}): Promise<Connection & AsyncDisposable> {
  const connection = rhea.create_container().connect({
    ...{ transport: 'tls', host: 'localhost', port: hub.plane.amqpPort, ca: hub.ca, reconnect: false },
    ...options,
  } as never);
  for (const event of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'error', 'protocol_error']) {
    connection.on(event, () => {});
  }
  await event(connection, 'connection_open', 'connection_error', 'disconnected');
  return Object.assign(connection, {
    async [Symbol.asyncDispose]() {
      if (connection.is_closed()) return;
      connection.close();
      await event(connection, 'connection_close', 'disconnected');
    },
  });
}

/** The first of these events; one called `disconnected` or `…_error` before it rejects. */
function event(
  emitter: { once(name: string, act: (context: EventContext) => void): unknown },
  name: string,
  ...failures: string[]
): Promise<EventContext> {
  return new Promise((resolve, reject) => {
    emitter.once(name, resolve);
    for (const failure of failures) {
      emitter.once(failure, (context) =>
        reject(((context as { error?: unknown }).error ?? context.sender?.error ?? context.receiver?.error ?? new Error(failure)) as Error),
      );
    }
  });
}

async function putToken(connection: Connection, text: string): Promise<{ readonly status: number; readonly description: string }> {
  const receiver = connection.open_receiver({ source: '$cbs' });
  const sender = connection.open_sender({ target: '$cbs' });
  await event(sender, 'sendable', 'sender_error');
  const answer = event(receiver, 'message');
  sender.send({
    ...{ to: '$cbs', reply_to: 'cbs', message_id: '1', body: text },
    application_properties: { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: 'localhost' },
  } as unknown as Message);
  const { message } = await answer;
  const properties = message?.application_properties as Record<string, unknown>;
  expect(message?.correlation_id).toBe('1');
  return { status: properties['status-code'] as number, description: properties['status-description'] as string };
}

const commands = (connection: Connection): Sender => connection.open_sender({ target: '/messages/devicebound' });

describe('a client', () => {
  test('without a token gets no link but $cbs', async () => {
    await using connection = await open();
    await expect(event(commands(connection), 'sendable', 'sender_error')).rejects.toMatchObject({ condition: 'amqp:unauthorized-access' });
    expect(await putToken(connection, token())).toEqual({ status: 200, description: 'OK' });
    await event(commands(connection), 'sendable', 'sender_error');
  });

  test.for([
    ['of another right', (): string => token('registryRead'), /does not have the right serviceConnect/],
    ['that expired', (): string => token('service', -1), /the token expired/],
    ['that is none', (): string => 'hello', /not a SharedAccessSignature/],
  ] as const)('with a token %s is told so', async ([, make, says]) => {
    await using connection = await open();
    const { status, description } = await putToken(connection, make());
    expect(status).toBe(401);
    expect(description).toMatch(says);
  });

  test.for([
    ['service@sas.root.localhost', (): string => token()],
    ['anybody', (): string => token('iothubowner')],
  ] as const)('%s logs in by SASL PLAIN', async ([username, make]) => {
    await using connection = await open({ username, password: make() });
    await event(commands(connection), 'sendable', 'sender_error');
  });

  test('with a wrong password is refused by SASL', async () => {
    await expect(open({ username: 'service@sas.root.localhost', password: token('device') })).rejects.toMatchObject({
      condition: 'amqp:unauthorized-access',
    });
  });

  test('logs in by MSSBCBS, as other SDKs do', async () => {
    const start = (reply: (error: undefined, response: Buffer) => void): void => reply(undefined, Buffer.alloc(0));
    await using connection = await open({ sasl_mechanisms: { MSSBCBS: () => ({ start }) } });
    expect((await putToken(connection, token())).status).toBe(200);
  });

  test('is let go when its token expires', async () => {
    const connection = await open();
    await putToken(connection, token('service', 2));
    const { connection: closed } = await event(connection, 'connection_close');
    expect(closed.error).toMatchObject({ condition: 'amqp:unauthorized-access', description: 'the token expired' });
  });

  test('whose token is for one link opens that one only', async () => {
    await using connection = await open();
    await putToken(connection, token('service', 60, 'localhost%2Fmessages%2Fdevicebound'));
    await event(commands(connection), 'sendable', 'sender_error');
    const feedback = connection.open_receiver({ source: '/messages/serviceBound/feedback' });
    await expect(event(feedback, 'message', 'receiver_error')).rejects.toMatchObject({ condition: 'amqp:unauthorized-access' });
  });
});

describe('a link', () => {
  const attach = (connection: Connection, address: string, filter?: string): Receiver =>
    connection.open_receiver({
      source: {
        address,
        ...(filter !== undefined && { filter: { 'apache.org:selector-filter:string': rhea.types.wrap_described(filter, 0x468c00000004) } }),
      },
    } as never);

  test.for([
    ['/nothing', undefined, 'amqp:not-found'],
    ['/messages/devicebound', undefined, 'amqp:not-found'],
    ['events/ConsumerGroups/$Default/Partitions/9', undefined, 'amqp:not-found'],
    ['other/ConsumerGroups/$Default/Partitions/0', undefined, 'amqp:not-found'],
    ['events/ConsumerGroups/$Default/Partitions/0', "colour = 'red'", 'amqp:not-allowed'],
  ] as const)('that reads %s with filter %s: %s', async ([address, filter, condition]) => {
    await using connection = await open({ username: 'x', password: token() });
    await expect(event(attach(connection, address, filter), 'message', 'receiver_error')).rejects.toMatchObject({ condition });
  });

  test('reads events by the address that the hub itself has for them, too', async () => {
    await using connection = await open({ username: 'x', password: token() });
    await hub.telemetry('gw-1', '{"t":1}');
    const partition = hub.core.events.partitionIds.find((id) => hub.core.events.partition(id)?.empty === false);
    const { message } = await event(
      attach(connection, `/messages/events/ConsumerGroups/mine/Partitions/${partition}`),
      'message',
      'receiver_error',
    );
    expect(message?.message_annotations).toMatchObject({ 'iothub-connection-device-id': 'gw-1' });
  });

  test('feedback that a reader releases, or leaves behind, comes again', async () => {
    await hub.core.messages.enqueue('gw-1', { body: Buffer.from('x'), messageId: 'again', ack: 'full' });
    await hub.core.messages.purge('gw-1');
    const read = (connection: Connection): Promise<EventContext> =>
      event(
        connection.open_receiver({ source: '/messages/serviceBound/feedback', autoaccept: false, credit_window: 1 }),
        'message',
        'receiver_error',
      );
    const ids = ({ message }: EventContext): unknown =>
      JSON.parse((message as unknown as { body: { content: Buffer } }).body.content.toString())[0].originalMessageId;
    {
      await using first = await open({ username: 'x', password: token() });
      const found = await read(first);
      expect(ids(found)).toBe('again');
      found.delivery?.release();
    }
    {
      await using second = await open({ username: 'x', password: token() });
      expect(ids(await read(second))).toBe('again');
    }
    await using third = await open({ username: 'x', password: token() });
    const found = await read(third);
    found.delivery?.accept();
    await expect.poll(() => hub.core.feedback.waiting(1)).toEqual([]);
  });
});

test('a stranger who says nothing is let go', async () => {
  using folder = tempFolder();
  await using other = await startBareHub(folder.path, { tokenWithinMs: 100 });
  const connection = rhea
    .create_container()
    .connect({ transport: 'tls', host: 'localhost', port: other.plane.amqpPort as number, ca: other.ca, reconnect: false } as never);
  connection.on('error', () => {}).on('connection_error', () => {});
  const { connection: closed } = await event(connection, 'connection_close');
  expect(closed.error).toMatchObject({ condition: 'amqp:unauthorized-access' });
});

const proton = capability('proton');
describe.skipIf(!proton.ok)(titled('Qpid Proton', proton), () => {
  const script = fileURLToPath(new URL('./testcases/proton_reader.py', import.meta.url));
  async function read(password: string, address: string, selector: string, count: number): Promise<readonly Record<string, unknown>[]> {
    using folder = tempFolder();
    const ca = join(folder.path, 'ca.pem');
    writeFileSync(ca, hub.ca);
    const login = ['service@sas.root.localhost', password];
    await using child = startChild(debianPython, [script, String(hub.plane.amqpPort), ca, ...login, address, selector, String(count)]);
    await child.exited;
    return child
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }

  test('reads events from a place on, with annotations', async () => {
    for (const n of [1, 2, 3]) await hub.telemetry('proton-1', JSON.stringify({ n }), { '$.mid': `p-${n}`, line: '7' });
    const { partitionIds } = hub.core.events;
    const partition = partitionIds.find((id) =>
      hub.core.events.read(id, 0).some(({ annotations }) => annotations['iothub-connection-device-id'] === 'proton-1'),
    );
    const kept = hub.core.events.read(partition as string, 0).filter(({ system }) => system['message-id']?.startsWith('p-'));
    const address = `events/ConsumerGroups/$Default/Partitions/${partition}`;
    const found = await read(token(), address, `amqp.annotation.x-opt-sequence-number > '${kept[0]?.sequenceNumber}'`, 2);
    expect(found).toMatchObject([
      { body: '{"n":2}', id: 'p-2', properties: { line: '7' }, annotations: { 'x-opt-offset': String(kept[1]?.sequenceNumber) } },
      { body: '{"n":3}', id: 'p-3' },
    ]);
  });

  test('is refused with a token of another right', async () => {
    const [found] = await read(token('device'), 'events/ConsumerGroups/$Default/Partitions/0', '', 1);
    expect(String(found?.refused)).toMatch(/unauthorized|auth/i);
  });
});

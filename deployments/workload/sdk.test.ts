import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import { afterEach, expect, test, vi } from 'vitest';
import { audienceOf, parseSas, signedBy } from '../../hub/sas.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { type Box, openBox } from './testing/box.ts';

/** As much of the CommonJS packages as is used here. */
interface Client {
  open(): Promise<unknown>;
  sendOutputEvent(output: string, message: object): Promise<unknown>;
  close(): Promise<unknown>;
}
const require = createRequire(import.meta.url);
const { ModuleClient, Message } = require('azure-iot-device') as {
  ModuleClient: { fromEnvironment(transport: unknown): Promise<Client> };
  Message: new (body: string) => object;
};
const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };

afterEach(() => vi.unstubAllEnvs());

/** A broker that lets in whose token is signed with the module's key, and tells which topics were published. */
async function startBroker({ identities, certificates }: Box) {
  const { certificate, privateKey } = await certificates.broker(['localhost']);
  const topics: string[] = [];
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert: certificate, key: privateKey }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const packets = parser({ protocolVersion: 4 });
    packets.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        const token = parseSas(String(packet.password));
        const [, module = ''] = packet.clientId.split('/');
        const key = identities.get(module)?.primaryKey ?? '';
        const good = token !== undefined && signedBy(token, key) && audienceOf(token)?.ids.includes(packet.clientId);
        socket.write(generate({ cmd: 'connack', returnCode: good ? 0 : 5, sessionPresent: false }));
      }
      if (packet.cmd === 'publish') {
        topics.push(packet.topic);
        if (packet.messageId) socket.write(generate({ cmd: 'puback', messageId: packet.messageId }));
      }
      if (packet.cmd === 'disconnect') socket.end();
    });
    socket.on('data', (chunk: Buffer) => packets.parse(chunk));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    topics,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a container would see, with the socket where it is on this machine. */
async function beModule(box: Box, module: string, port: number): Promise<void> {
  await box.identities.ensure(module);
  const socket = await box.api.socketFor(module);
  const { env } = box.api.environmentOf(module);
  const here = { ...env, IOTEDGE_WORKLOADURI: `unix://${socket}`, IOTEDGE_GATEWAYHOSTNAME: `localhost:${port}` };
  for (const [name, value] of Object.entries(here)) vi.stubEnv(name, value);
}

test('the unmodified ModuleClient trusts the broker by the trust bundle, signs over its socket, and sends', async () => {
  using folder = tempFolder();
  const box = await openBox(folder.path);
  await using _api = box.api;
  await using broker = await startBroker(box);
  await beModule(box, 'filter', broker.port);
  const client = await ModuleClient.fromEnvironment(Mqtt);
  await client.open();
  await client.sendOutputEvent('out1', new Message('{}'));
  await client.close();
  expect(broker.topics).toEqual([expect.stringContaining('devices/gw-1/modules/filter/messages/events/')]);
});

test('a ModuleClient whose name is not that of its socket gets no token', async () => {
  using folder = tempFolder();
  const box = await openBox(folder.path);
  await using _api = box.api;
  await using broker = await startBroker(box);
  await box.identities.ensure('other');
  await beModule(box, 'filter', broker.port);
  vi.stubEnv('IOTEDGE_MODULEID', 'other');
  const client = await ModuleClient.fromEnvironment(Mqtt);
  await expect(client.open()).rejects.toThrow();
  expect(broker.topics).toEqual([]);
});

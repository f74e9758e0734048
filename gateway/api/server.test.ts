import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { apiToken, callGateway, tellAddress } from './access.ts';
import { startApiServer } from './server.ts';

const parts = {
  health: () => ({ ok: true, problems: [] }),
  status: () => ({ gateway: 'gw' }),
  points: () => ({ 'cooker-1': [] }),
  call: async (name: string, payload: unknown) => ({ status: name === 'no' ? 409 : 200, payload: { name, payload } }),
};

async function serving() {
  const folder = tempFolder();
  const token = await apiToken(folder.path);
  const server = await startApiServer({ host: '127.0.0.1', port: 0 }, { ...parts, token });
  await tellAddress(folder.path, server.url);
  return {
    folder: folder.path,
    url: server.url,
    token,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

test('anybody who reaches it may look, and nobody may do without the token', async () => {
  await using api = await serving();
  for (const [path, expected] of [
    ['/health', { status: 'ok', problems: [] }],
    ['/status', { gateway: 'gw' }],
    ['/points', { 'cooker-1': [] }],
  ] as const)
    expect(await (await fetch(api.url + path)).json()).toEqual(expected);
  const post = (headers: Record<string, string>) => fetch(`${api.url}/methods/ping`, { method: 'POST', headers, body: '{}' });
  expect((await post({})).status).toBe(401);
  expect((await post({ authorization: `Bearer ${'x'.repeat(43)}` })).status).toBe(401);
  expect((await post({ authorization: `Bearer ${api.token}` })).status).toBe(200);
  expect((await fetch(`${api.url}/methods/ping`)).status).toBe(405);
  expect((await fetch(`${api.url}/elsewhere`)).status).toBe(404);
  expect((await fetch(`${api.url}/status`, { method: 'DELETE' })).status).toBe(405);
});

test('commands on this machine find it by its data folder', async () => {
  await using api = await serving();
  expect(await callGateway(api.folder, 'read', { equipment: 'a' })).toEqual({
    status: 200,
    payload: { name: 'read', payload: { equipment: 'a' } },
  });
  expect((await callGateway(api.folder, 'no', undefined)).status).toBe(409);
  expect(statSync(join(api.folder, 'api-token')).mode & 0o077).toBe(0);
  expect(await apiToken(api.folder)).toBe(api.token);
});

test('bad payloads are answered', async () => {
  await using api = await serving();
  const post = (body: string) =>
    fetch(`${api.url}/methods/read`, { method: 'POST', headers: { authorization: `Bearer ${api.token}` }, body });
  expect((await post('{bad')).status).toBe(400);
  expect((await post('x'.repeat(300_000))).status).toBe(413);
});

test('no gateway is one clear sentence', async () => {
  using folder = tempFolder();
  await expect(callGateway(folder.path, 'ping', undefined)).rejects.toMatchObject({ code: 'gateway-unknown' });
  await apiToken(folder.path);
  await tellAddress(folder.path, 'http://127.0.0.1:1');
  await expect(callGateway(folder.path, 'ping', undefined)).rejects.toMatchObject({
    code: 'gateway-silent',
    message: expect.stringContaining('127.0.0.1:1'),
  });
});

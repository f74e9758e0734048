import { describe, expect, test } from 'vitest';
import { redirectHttps } from '../../../hub/service/testcases/sdk.ts';
import { sasToken } from '../../../hub/simulator.ts';
import type { BrokerOptions } from './contract.ts';
import { type Box, credentialsOf, deviceId, hubHost, identityOf, openBox, sdkModule, unconnectedSdkModule } from './testing/box.ts';

const openWithHttps = (more: Partial<BrokerOptions> = {}): Promise<Box> =>
  openBox({ listen: { address: '127.0.0.1', mqttPort: 0, httpsPort: 0 }, ...more });

interface SdkRestError {
  readonly response: { readonly statusCode: number };
  readonly responseBody: string;
}

interface Call {
  readonly path?: string;
  readonly method?: string;
  readonly token?: string | undefined;
  readonly caller?: string;
  readonly body?: string | object;
}

/** As a program would that is no SDK; gives status and body. */
async function call(box: Box, { path, method = 'POST', caller, body = { methodName: 'reset' }, ...rest }: Call) {
  using _trust = redirectHttps(box.broker.httpsPort as number, box.ca);
  const token = 'token' in rest ? rest.token : credentialsOf('caller').password;
  const { Agent, request } = await import('node:https');
  return new Promise<{ status: number; type: string; body: unknown }>((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: token }),
      ...(caller !== undefined && { 'x-ms-edge-moduleid': caller }),
    };
    const agent = new Agent({ keepAlive: false });
    const outgoing = request(
      { host: 'localhost', port: 443, path: path ?? `/twins/${deviceId}/modules/filter/methods`, method, headers, agent, ca: box.ca },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: JSON.parse(text) as unknown }),
        );
      },
    );
    outgoing.on('error', reject).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

describe('the unmodified module SDK', () => {
  test('calls a method of another module, and one of the gateway itself', async () => {
    const calls: unknown[] = [];
    await using box = await openWithHttps({
      async onDeviceMethod({ name, payload }, caller) {
        calls.push({ name, payload, caller });
        return { status: 202, payload: 'soon' };
      },
    });
    await using filter = await sdkModule(box, 'filter');
    filter.onMethod('reset', (request, response) => void response.send(200, { got: request.payload }));
    using _redirect = redirectHttps(box.broker.httpsPort as number, box.ca);
    const caller = await unconnectedSdkModule('caller', 'localhost', box.ca);
    const wanted = { methodName: 'reset', payload: { deep: true }, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 10 };
    expect(await caller.invokeMethod(deviceId, 'filter', wanted)).toEqual({ status: 200, payload: { got: { deep: true } } });
    const own = await caller.invokeMethod(deviceId, { ...wanted, methodName: 'points', payload: null });
    expect(own).toEqual({ status: 202, payload: 'soon' });
    expect(calls).toEqual([{ name: 'points', payload: null, caller: `${deviceId}/caller` }]);
  });

  test('is told what went wrong', async () => {
    await using box = await openWithHttps();
    using _redirect = redirectHttps(box.broker.httpsPort as number, box.ca);
    const caller = await unconnectedSdkModule('caller', 'localhost', box.ca);
    const wanted = { methodName: 'reset', payload: null, responseTimeoutInSeconds: 1, connectTimeoutInSeconds: 0 };
    const error = (await caller.invokeMethod(deviceId, 'filter', wanted).catch((reason) => reason)) as SdkRestError;
    expect([error.response.statusCode, error.responseBody]).toEqual([404, expect.stringContaining('is not connected')]);
  });
});

describe('over HTTPS', () => {
  test('a module that never answers is 504, one that is away 404', async () => {
    await using box = await openWithHttps();
    const quick = { methodName: 'reset', responseTimeoutInSeconds: 0.2 };
    expect(await call(box, { body: quick })).toMatchObject({
      status: 404,
      type: 'application/json; charset=utf-8',
      body: { message: expect.stringContaining('filter') },
    });
    await using filter = await box.module('filter');
    await filter.subscribe('$iothub/methods/POST/#');
    expect(await call(box, { body: quick })).toMatchObject({ status: 504 });
  });

  test.for<{ what: string; call: Call; status: number; says: string }>([
    { what: 'no token', call: { token: undefined }, status: 401, says: 'no Authorization header' },
    {
      what: 'a token of a key that is not the module’s',
      call: { token: sasToken(`${hubHost}/devices/${deviceId}/modules/caller`, identityOf('other').primaryKey, 2_000_000_000) },
      status: 401,
      says: 'not signed with a key',
    },
    {
      what: 'an expired token',
      call: { token: sasToken(`${hubHost}/devices/${deviceId}/modules/caller`, identityOf('caller').primaryKey, 1_000_000) },
      status: 401,
      says: 'expired',
    },
    {
      what: 'a token of the device',
      call: { token: sasToken(`${hubHost}/devices/${deviceId}`, identityOf('caller').primaryKey, 2_000_000_000) },
      status: 401,
      says: 'only modules',
    },
    { what: 'somebody else’s name', call: { caller: `${deviceId}/other` }, status: 401, says: 'not for gw-1/other' },
    { what: 'another device', call: { path: '/twins/gw-2/modules/filter/methods' }, status: 404, says: 'gw-2' },
    { what: 'the device, which answers none', call: { path: `/twins/${deviceId}/methods` }, status: 404, says: 'itself' },
    { what: 'another address', call: { path: '/devices/gw-1' }, status: 404, says: 'POST /twins/' },
    { what: 'GET', call: { method: 'GET' }, status: 404, says: 'POST /twins/' },
    { what: 'an address that is no address', call: { path: '/twins/%E0%A4%A/methods' }, status: 400, says: 'percent-encoded' },
    { what: 'a body that is no JSON', call: { body: '{' }, status: 400, says: 'not JSON' },
    { what: 'a body without a name', call: { body: {} }, status: 400, says: 'methodName' },
    { what: 'a body that is too large', call: { body: { methodName: 'x', payload: 'x'.repeat(200_000) } }, status: 413, says: '160 KB' },
  ])('$what is refused with $status', async ({ call: wanted, status, says }) => {
    await using box = await openWithHttps();
    const answer = await call(box, wanted);
    expect(answer).toMatchObject({ status, body: { message: expect.stringContaining(says) } });
  });
});

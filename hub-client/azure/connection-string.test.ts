import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../model/error.ts';
import { deviceIdProblem, parseConnectionString, parseHost } from './connection-string.ts';

const parsed = {
  hub: 'h.azure-devices.net',
  host: 'h.azure-devices.net',
  port: 8883,
  deviceId: 'd',
  sharedAccessKey: 'QUJD=',
  x509: false,
};

test.for([
  { rule: 'as the portal shows it', text: 'HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=QUJD=', result: parsed },
  { rule: 'any order, any case', text: 'sharedaccesskey=QUJD=;DEVICEID=d;hostname=h.azure-devices.net;', result: parsed },
  { rule: 'byte order mark, line end', text: '\uFEFFHostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=QUJD=\r\n', result: parsed },
  { rule: 'quotes of a shell file', text: '"HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=QUJD="', result: parsed },
  {
    rule: 'a port at the hub',
    text: 'HostName=localhost:18883;DeviceId=d;SharedAccessKey=QUJD=',
    result: { ...parsed, hub: 'localhost', host: 'localhost', port: 18_883 },
  },
  {
    rule: 'a gateway host takes the connection, not the name',
    text: 'HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=QUJD=;GatewayHostName=edge.local:9',
    result: { ...parsed, host: 'edge.local', port: 9 },
  },
  {
    rule: 'X.509',
    text: 'HostName=h.azure-devices.net;DeviceId=d;x509=True',
    result: { ...parsed, sharedAccessKey: undefined, x509: true },
  },
])('reads $rule', ({ text, result }) => {
  expect(parseConnectionString(text)).toEqual(result);
});

test.for([
  { text: '  ', says: /is empty/ },
  { text: 'QUJD', says: /part without "Key="/ },
  { text: 'DeviceId=d;SharedAccessKey=c2VjcmV0', says: /has no HostName/ },
  { text: 'HostName=h;SharedAccessKey=c2VjcmV0', says: /has no DeviceId/ },
  { text: 'HostName=h;DeviceId=d', says: /neither SharedAccessKey nor x509/ },
  { text: 'HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0;x509=true', says: /both SharedAccessKey and x509/ },
  { text: 'HostName=h;HostName=i;DeviceId=d;SharedAccessKey=c2VjcmV0', says: /HostName twice/ },
  { text: 'HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey=c2VjcmV0', says: /policy "iothubowner".*its own device/ },
  { text: 'Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0', says: /Event Hubs/ },
  { text: 'HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=c2VjcmV0', says: /a module/ },
  { text: 'HostName=https://h;DeviceId=d;SharedAccessKey=c2VjcmV0', says: /without a scheme/ },
  { text: 'HostName=h:99999;DeviceId=d;SharedAccessKey=c2VjcmV0', says: /99999 is not a port/ },
  { text: 'HostName=h;DeviceId=a+b;SharedAccessKey=c2VjcmV0', says: /\+ or #/ },
  { text: 'HostName=h;DeviceId=a/b;SharedAccessKey=c2VjcmV0', says: /contains "\/"/ },
])('refuses $text', ({ text, says }) => {
  const error = failure(() => parseConnectionString(text));
  expect(error).toMatchObject({ code: 'connection-string', retry: 'after-fix' });
  expect(error.message).toMatch(says);
  expect(`${error.message} ${error.hint}`).not.toContain('c2VjcmV0');
});

test('never throws anything else, and never shows the key', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      try {
        parseConnectionString(`${a};SharedAccessKey=TOPSECRET;${b}`);
      } catch (error) {
        return error instanceof GatewayError && !`${error.message}${error.hint}`.includes('TOPSECRET');
      }
      return true;
    }),
  );
});

test.for([
  ['h', 'h', 8883],
  ['1.2.3.4:1', '1.2.3.4', 1],
  ['[::1]:18883', '::1', 18_883],
  ['[fe80::1]', 'fe80::1', 8883],
] as const)('host %s is %s, port %i', ([text, host, port]) => {
  expect(parseHost(text, 'host')).toEqual({ host, port });
});

test.for(['', 'a b', 'h:', 'h:0', 'h:x', '::1', 'h/x'])('host %j is refused', (text) => {
  expect(failure(() => parseHost(text, 'host')).message).toContain('host "');
});

test.for([
  ["gw-1._%*?!(),:=@$'A", undefined],
  ['', 'is empty'],
  ['x'.repeat(129), 'has 129 characters; 128 are allowed'],
] as const)('device id %s: %s', ([id, problem]) => {
  expect(deviceIdProblem(id)).toBe(problem);
});

function failure(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

import { createHmac } from 'node:crypto';
import { SharedAccessKeyAuthenticationProvider } from 'azure-iot-device';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { percentEncode } from './percent.ts';
import { decodeKey, expiryOf, identityResource, renewAfterMs, sasToken } from './sas.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef');

describe('token', () => {
  test('is the one that openssl signs', () => {
    // printf 'myhub.azure-devices.net%2Fdevices%2Fgw-leeds-1\n1795507200' | openssl dgst -sha256 -hmac 0123…cdef -binary | base64
    const token = sasToken({
      resource: identityResource('myhub.azure-devices.net', { deviceId: 'gw-leeds-1' }),
      key,
      expiresAtS: 1_795_507_200,
    });
    expect(token).toBe(
      `SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fgw-leeds-1&sig=${encodeURIComponent('CoqaBlHPxtzYDtuwvPLVrlK9u2TFaBMFeTmgaebAaao=')}&se=1795507200`,
    );
  });

  // Not with `*`: the SDK alone writes %2a in lower case there; a hub signs the characters as they come, so both hold.
  test.for(['gw-leeds-1', 'a:b@c', "x'!()$1", 'dev%20', 'Ünicode'])('of device %s is the one that the device SDK makes', async (device) => {
    const connectionString = `HostName=myhub.azure-devices.net;DeviceId=${device};SharedAccessKey=${key.toString('base64')}`;
    const provider = SharedAccessKeyAuthenticationProvider.fromConnectionString(connectionString);
    const theirs = await new Promise<string>((resolve, reject) => {
      provider.getDeviceCredentials((error, credentials) => (error ? reject(error) : resolve(String(credentials?.sharedAccessSignature))));
    });
    provider.stop();
    const fields = Object.fromEntries(
      theirs
        .replace('SharedAccessSignature ', '')
        .split('&')
        .map((field) => field.split(/=(.*)/s).slice(0, 2) as [string, string]),
    );
    const ours = sasToken({
      resource: identityResource('myhub.azure-devices.net', { deviceId: device }),
      key,
      expiresAtS: Number(fields.se),
    });
    expect(ours).toBe(`SharedAccessSignature sr=${fields.sr}&sig=${fields.sig}&se=${fields.se}`);
  });

  test('names a policy before the expiry', () => {
    expect(sasToken({ resource: 'h', key, expiresAtS: 1, policy: 'a b' })).toMatch(/^SharedAccessSignature sr=h&sig=[^&]+&skn=a%20b&se=1$/);
  });

  test('derives the key of a group member as the published vector says', () => {
    const group = decodeKey('8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==')!;
    expect(createHmac('sha256', group).update('sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6').digest('base64')).toBe(
      'Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=',
    );
  });
});

test.for([
  { text: 'YWJj', bytes: 'abc' },
  { text: ' YWI=\r\n', bytes: 'ab' },
  { text: '', bytes: undefined },
  { text: 'YWI', bytes: undefined },
  { text: 'YW-_', bytes: undefined },
  { text: '"YWJj"', bytes: undefined },
  { text: 'HostName=a;DeviceId=b;SharedAccessKey=YWJj', bytes: undefined },
])('key $text is $bytes', ({ text, bytes }) => {
  const decoded = decodeKey(text);
  expect(decoded === undefined ? undefined : Buffer.from(decoded).toString()).toBe(bytes);
});

test('an expiry never outlives its lifetime', () => {
  expect(expiryOf(1_000_999, 3_600_000)).toBe(4_600);
  fc.assert(fc.property(fc.nat(), fc.nat(), (now, lifetime) => expiryOf(now, lifetime) * 1000 <= now + lifetime));
});

test.for([
  [3_600_000, 0, 2_880_000],
  [3_600_000, 0.5, 3_060_000],
  [3_600_000, 1, 3_240_000],
] as const)('a token of %i ms is renewed at random %d after %i ms', ([lifetime, random, after]) => {
  expect(renewAfterMs(lifetime, random)).toBe(after);
});

test('percent encoding decodes to the same text and leaves only unreserved characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const encoded = percentEncode(text);
      return /^[A-Za-z0-9\-_.~%]*$/.test(encoded) && decodeURIComponent(encoded) === text.toWellFormed();
    }),
  );
  expect(percentEncode("a b/ü!'()*")).toBe('a%20b%2F%C3%BC%21%27%28%29%2A');
  expect(percentEncode('\ud800')).toBe('%EF%BF%BD');
});

import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { parseServiceBusConnectionString } from './connection-string.ts';
import { renewAfterMs, serviceBusToken, tokenExpiryS } from './sas.ts';

const policy = { name: 'RootManage', key: 'iVbOrw0KGg+/oAAA=' };

describe('tokens', () => {
  test('are signed as openssl signs, over the encoded audience, with the text of the key', () => {
    const token = serviceBusToken('sb://plant.servicebus.windows.net/cooking', policy, 1_900_000_000);
    const sr = 'sb%3A%2F%2Fplant.servicebus.windows.net%2Fcooking';
    const signed = execFileSync('openssl', ['dgst', '-sha256', '-hmac', policy.key, '-binary'], { input: `${sr}\n1900000000` });
    expect(token).toBe(`SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signed.toString('base64'))}&se=1900000000&skn=RootManage`);
    expect(tokenExpiryS(token)).toBe(1_900_000_000);
  });

  test('say nothing of an end where there is none', () => {
    expect(tokenExpiryS('SharedAccessSignature sr=x&sig=se%3D1')).toBeUndefined();
  });

  test('are renewed while a good part of them is left', () => {
    expect([0, 0.5, 1].map((random) => renewAfterMs(3_600_000, random))).toEqual([2_520_000, 2_700_000, 2_880_000]);
  });
});

describe('connection strings', () => {
  test.for([
    {
      text: 'Endpoint=sb://plant.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=k=;EntityPath=cooking',
      is: { host: 'plant.servicebus.windows.net', port: 5671, tls: true, entity: 'cooking', proof: { name: 'send', key: 'k=' } },
    },
    {
      text: '\uFEFF"endpoint=sb://localhost:7000;sharedaccesskey=k;sharedaccesskeyname=n;UseDevelopmentEmulator=true"\n',
      is: { host: 'localhost', port: 7000, tls: false, entity: undefined, proof: { name: 'n', key: 'k' } },
    },
    {
      text: 'Endpoint=sb://localhost;SharedAccessSignature=SharedAccessSignature sr=a&sig=b&se=1&skn=c;UseDevelopmentEmulator=true',
      is: { host: 'localhost', port: 5672, tls: false, entity: undefined, proof: { token: 'SharedAccessSignature sr=a&sig=b&se=1&skn=c' } },
    },
  ])('$text', ({ text, is }) => {
    expect(parseServiceBusConnectionString(text)).toEqual(is);
  });

  test.for([
    { text: '', problem: 'is empty' },
    { text: 'HostName=h;DeviceId=d;SharedAccessKey=secret', problem: 'IoT Hub' },
    { text: 'Endpoint=https://x/;SharedAccessKeyName=n;SharedAccessKey=secret', problem: 'has an Endpoint that is not sb://' },
    { text: 'Endpoint=sb://x/;SharedAccessKey=secret', problem: 'has no SharedAccessKeyName' },
    { text: 'Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=secret;secret', problem: 'has a part without "Name="' },
    { text: 'Endpoint=sb://x/;Endpoint=sb://y/', problem: 'has Endpoint twice' },
  ])('$problem', ({ text, problem }) => {
    const read = () => parseServiceBusConnectionString(text);
    expect(read).toThrow(problem);
    expect(read).not.toThrow('secret');
  });
});

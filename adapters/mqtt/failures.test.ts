import { expect, test } from 'vitest';
import { unreachable } from './failures.ts';
import { settingsOf } from './testcases/points.ts';

test.for<[what: string, error: Error, message: RegExp, hint: RegExp]>([
  ['another protocol', new Error('Invalid header flag bits, must be 0x0 for puback packet'), /does not speak MQTT/, /1883/],
  ['nothing that listens', Object.assign(new Error(), { code: 'ECONNREFUSED' }), /refused the connection/, /1883/],
  ['what nobody foresaw', Object.assign(new Error(), { code: 'EODD' }), /cannot be reached \(EODD\)/, /host and port/],
])('%s is told apart', ([, error, message, hint]) => {
  const { endpoint } = settingsOf({ url: 'mqtt://10.20.0.5' });
  expect(unreachable(error, endpoint)).toMatchObject({ message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
});

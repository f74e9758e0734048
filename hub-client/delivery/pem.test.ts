import { expect, test } from 'vitest';
import { GatewayError } from '../../model/error.ts';
import { readRoot } from './pem.ts';

const failing = (cause?: Error) => ({
  secret: () =>
    Promise.reject(new GatewayError('secret-missing', 'the secret file is not there', { retry: 'after-fix', hint: 'write it', cause })),
});

test('a root that is not there is a file, not a secret', async () => {
  await expect(
    readRoot('./ca.pem', failing(new Error("ENOENT: no such file or directory, open '/etc/dragoman/ca.pem'"))),
  ).rejects.toMatchObject({
    code: 'hub-certificate',
    message: "The PEM file ./ca.pem cannot be read (ENOENT: no such file or directory, open '/etc/dragoman/ca.pem').",
    hint: expect.stringContaining('Put it there'),
    retry: 'after-fix',
  });
  await expect(readRoot('./ca.pem', failing())).rejects.toMatchObject({ message: 'The PEM file ./ca.pem is empty.' });
});

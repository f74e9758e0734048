import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { hubContext } from '../test/contract/hub-client.ts';
import { tempFolder } from '../test/support/temp.ts';
import { openHubLink } from './hub-link.ts';

test('an embedded hub whose port is taken is said with the key to change, and runs as soon as the port is free', async () => {
  using folder = tempFolder();
  const other = createServer();
  const port = await new Promise<number>((resolve) =>
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port)),
  );
  const { signal } = new AbortController();
  const destination = {
    name: 'hub',
    kind: 'embedded',
    settings: { data: './hub', port, compression: 'none' },
    required: true,
    encoding: { name: 'cloudevents', settings: {} },
  };
  const secret = async (reference: object): Promise<string> => readFileSync((reference as { file: string }).file, 'utf8');
  await using link = await openHubLink(destination as never, { ...hubContext(folder.path), secret }, signal);
  expect(link.where).toBe(`embedded, localhost:${port}, does not run yet`);
  await expect(link.connect(signal)).rejects.toMatchObject({
    code: 'port-in-use',
    retry: 'with-backoff',
    message: expect.stringMatching(/^the embedded hub does not start: cannot listen on .*, port \d+: another program uses this port$/),
    hint: 'stop it, or take another port with hub.port in dragoman.yaml',
  });
  await new Promise((resolve) => other.close(resolve));
  await using session = await link.connect(signal);
  expect(session.window).toBeGreaterThan(0);
});

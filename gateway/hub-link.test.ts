import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { azure } from '../hub-client/azure/definition.ts';
import { hubContext, silent } from '../test/contract/hub-client.ts';
import { tempFolder } from '../test/support/temp.ts';
import { openHubLink } from './hub-link.ts';
import { ModuleRegistry } from './modules/upstream/module-registry.ts';

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

test('the embedded hub makes its gateway an IoT Edge device, which makes its modules there; azure is asked at 443', async () => {
  using folder = tempFolder();
  const { signal } = new AbortController();
  const destination = {
    name: 'hub',
    kind: 'embedded',
    settings: { data: './hub', port: 0, https: 0, compression: 'none' },
    required: true,
    encoding: { name: 'cloudevents', settings: {} },
  };
  const secret = async (reference: object): Promise<string> => readFileSync((reference as { file: string }).file, 'utf8');
  const context = { ...hubContext(folder.path), secret };
  await using link = await openHubLink(destination as never, context, signal);
  using registry = new ModuleRegistry({ place: link.edge!, known: () => undefined, log: silent });
  for (const moduleId of ['$edgeAgent', 'filter'])
    expect(await registry.create(moduleId)).toMatchObject({ deviceId: context.gateway, moduleId, primaryKey: expect.any(String) });

  const settings = azure.settings.parse({ host: 'plant.azure-devices.net', key: { file: 'key' } });
  await using other = await openHubLink({ ...destination, kind: 'azure', settings } as never, context, signal);
  expect(other.edge?.httpsPort()).toBe(443);
  await using files = await openHubLink({ ...destination, kind: 'file', settings: { folder: './out' } } as never, context, signal);
  expect(files.edge).toBeUndefined();
});

import { expect, test } from 'vitest';
import { fakeUpstream, openBox, routesOf, type SdkMessage, sdkMessage, sdkModule } from './testing/box.ts';

const toSink = 'FROM /messages/modules/source/outputs/out INTO BrokeredEndpoint("/modules/sink/inputs/in 1")';

test('the unmodified module SDK: output to input with its properties, and upstream', async () => {
  const upstream = fakeUpstream();
  await using box = await openBox({ upstream, routes: routesOf(toSink, 'FROM /messages/modules/sink/* INTO $upstream') });
  await using sink = await sdkModule(box, 'sink');
  const { promise: got, resolve } = Promise.withResolvers<readonly [string, SdkMessage]>();
  sink.on('inputMessage', (input, message) => {
    sink.complete(message, () => {});
    resolve([input, message]);
  });
  await using source = await sdkModule(box, 'source');
  const message = sdkMessage('{"t":1}');
  message.messageId = 'm-1';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('alarm', 'a b/ü=1');
  await source.sendOutputEvent('out', message);
  const [input, received] = await got;
  expect(input).toBe('in 1');
  expect(received.getData().toString()).toBe('{"t":1}');
  expect(received.messageId).toBe('m-1');
  expect(received.contentType).toBe('application/json');
  expect(received.properties.getValue('alarm')).toBe('a b/ü=1');
  expect(received.properties.getValue('$.cmid')).toBe('source');
  await sink.sendOutputEvent('scored', sdkMessage('42'));
  await upstream.seen(1);
  expect(upstream.sent[0]).toMatchObject({
    source: '/messages/modules/sink/outputs/scored',
    system: { connectionDeviceId: 'gw-1', connectionModuleId: 'sink', outputName: 'scored' },
  });
});

test('the unmodified module SDK: its twin is answered here, with the versions of upstream, and reports go there', async () => {
  const reports: unknown[] = [];
  const reported = Promise.withResolvers<void>();
  await using box = await openBox({
    async onReported(moduleId, patch) {
      reports.push([moduleId, patch]);
      reported.resolve();
    },
  });
  await box.broker.setDesired('filter', { limit: 5, mode: 'slow' }, 7);
  await using filter = await sdkModule(box, 'filter');
  const twin = await filter.getTwin();
  expect(twin.properties.desired).toMatchObject({ limit: 5, mode: 'slow', $version: 7 });
  const change = new Promise<Record<string, unknown>>((resolve) => {
    twin.on('properties.desired', (delta) => {
      if (delta.$version === 9) resolve(delta);
    });
  });
  // Answered after the SUBSCRIBE before it was taken.
  await new Promise<void>((resolve, reject) =>
    twin.properties.reported.update({ fw: '1' }, (error) => (error ? reject(error) : resolve())),
  );
  await box.broker.setDesired('filter', { limit: 6 }, 9);
  expect(await change).toEqual({ limit: 6, mode: null, $version: 9 });
  await reported.promise;
  expect(reports).toEqual([['filter', { fw: '1' }]]);
});

test('the unmodified module SDK: answers methods from upstream', async () => {
  await using box = await openBox();
  await using filter = await sdkModule(box, 'filter');
  filter.onMethod('reset', (request, response) => void response.send(200, { got: request.payload }));
  const answer = await box.broker.invoke('filter', { name: 'reset', payload: { deep: true }, connectTimeoutMs: 5_000 });
  expect(answer).toEqual({ status: 200, payload: { got: { deep: true } } });
});

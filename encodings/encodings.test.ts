import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EncodedMessage, EncodeOptions, Encoding, Grain } from './contract.ts';
import { encodingNamed, encodings as listed } from './encodings.ts';
import { anyEvents, anyGrain } from './testcases/arbitrary.ts';
import { textOf } from './testcases/decode.ts';
import { everyKind, gap, noon, sampleContext, sampleEvents, telemetry } from './testcases/sample.ts';

const encodings = await Promise.all(listed.map((one) => one.load()));
const roomy: EncodeOptions = { grain: 'batch', maxBodyBytes: 250_000 };
const encode = (encoding: Encoding, events = sampleEvents, options = roomy, settings: object = {}): readonly EncodedMessage[] =>
  encoding.open(encoding.settings.parse(settings), sampleContext()).encode(events, options);
const dataOf = (messages: readonly EncodedMessage[]): readonly EncodedMessage[] =>
  messages.filter(({ about }) => about?.message !== 'metadata');

test('each has a name of its own, and the first is the default', () => {
  expect(encodings.map(({ name }) => name)).toEqual(['cloudevents', 'opcua-pubsub', 'sparkplug-b', 'flat', 'senml', 'csv']);
  expect(encodingNamed('senml')?.name).toBe('senml');
  expect(encodingNamed('avro')).toBeUndefined();
});

describe.for(encodings.map((encoding) => ({ name: encoding.name, encoding })))('$name', ({ encoding }) => {
  test('works without settings and refuses those it does not know', () => {
    expect(() => encoding.settings.parse({})).not.toThrow();
    expect(() => encoding.settings.parse({ colour: 'blue' })).toThrow();
  });

  test('every setting has a description', () => {
    const shape = (encoding.settings as unknown as { shape: Record<string, { description?: string }> }).shape;
    expect(Object.entries(shape).flatMap(([key, { description }]) => (description ? [] : [key]))).toEqual([]);
  });

  test('what it says it drops are sentences', () => {
    for (const sentence of encoding.drops) expect(sentence).toMatch(/^[A-Z].{10,}[^.]$/);
  });

  test.for(['batch', 'event', 'reading'] as const)('grain %s: golden', async (grain) => {
    const lines = encode(encoding, sampleEvents, { grain, maxBodyBytes: 250_000 }).map(described);
    await expect(`${lines.join('\n\n')}\n`).toMatchFileSnapshot(`testcases/${encoding.name}/${grain}.txt`);
  });

  test('the same events encoded by a new session give the same messages', () => {
    fc.assert(
      fc.property(anyEvents, anyGrain, fc.integer({ min: 300, max: 4000 }), (events, grain, maxBodyBytes) => {
        expect(encode(encoding, events, { grain, maxBodyBytes })).toEqual(encode(encoding, events, { grain, maxBodyBytes }));
      }),
      { numRuns: 50 },
    );
  });

  test('no body is larger than allowed unless it holds one reading; ids never repeat', () => {
    fc.assert(
      fc.property(anyEvents, anyGrain, fc.integer({ min: 300, max: 4000 }), (events, grain, maxBodyBytes) => {
        const messages = encode(encoding, events, { grain, maxBodyBytes });
        const tooLarge = messages.filter(({ body, readings }) => body.byteLength > maxBodyBytes && readings > 1);
        expect(tooLarge.map(textOf)).toEqual([]);
        expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
        for (const { createdMs } of messages) expect(createdMs).toBeGreaterThan(0);
      }),
    );
  });

  test('cutting into messages loses no reading', () => {
    fc.assert(
      fc.property(anyEvents, anyGrain, fc.integer({ min: 300, max: 4000 }), (events, grain, maxBodyBytes) => {
        const count = (messages: readonly EncodedMessage[]): number => messages.reduce((sum, { readings }) => sum + readings, 0);
        const whole = count(encode(encoding, events));
        expect(count(encode(encoding, events, { grain, maxBodyBytes }))).toBe(whole);
        const valued = events
          .flatMap((event) => (event.type === 'dragoman.telemetry.v1' ? event.data.readings : []))
          .filter(({ value }) => value !== undefined);
        expect(whole).toBeGreaterThanOrEqual(valued.length);
      }),
      { numRuns: 50 },
    );
  });

  test('with grain event no message holds two events, and each says what it is about', () => {
    const messages = dataOf(encode(encoding, sampleEvents, { grain: 'event', maxBodyBytes: 250_000 }));
    expect(messages[0]).toMatchObject({
      id: 'gw-leeds-1/8f3c/104233',
      about: { equipment: 'cooker-1', path: 'candyco/leeds/kitchen/line-1', message: 'telemetry', priority: 'telemetry' },
      createdMs: Date.parse(noon),
    });
    expect(messages[1]).toMatchObject({
      id: 'gw-leeds-1/8f3c/104234',
      readings: 1,
      about: { equipment: 'mixer-2', message: 'process', priority: 'bulk' },
    });
    expect(messages.every(({ retain }) => retain === undefined)).toBe(true);
  });

  test('with grain reading each message holds one and names its point', () => {
    const messages = dataOf(encode(encoding, [telemetry(1, everyKind)], { grain: 'reading', maxBodyBytes: 250_000 }));
    expect(messages.map(({ readings }) => readings)).toEqual(messages.map(() => 1));
    expect(messages.map(({ id }) => id)).toEqual(messages.map((_, i) => (i === 0 ? 'gw-leeds-1/8f3c/1' : `gw-leeds-1/8f3c/1.${i}`)));
    const points = everyKind.map(({ point }) => point);
    expect(messages.map(({ about }) => about?.point)).toEqual(
      messages.length === points.length ? points : points.filter((p) => p !== 'motor_current'),
    );
  });

  test('a batch of several machines is about none of them', () => {
    const [message] = dataOf(encode(encoding, sampleEvents.slice(0, 2)));
    expect(message).toMatchObject({ id: 'gw-leeds-1/8f3c/104233-104234' });
    expect(message?.about).toBeUndefined();
  });

  test('the record of a loss is never a last value', () => {
    const messages = dataOf(encode(encoding, [gap(7, { point: 'state' })], { grain: 'reading', maxBodyBytes: 250_000 }));
    for (const message of messages) {
      expect(message).toMatchObject({
        readings: 0,
        about: { equipment: 'cooker-1', path: 'candyco/leeds/kitchen/line-1', message: 'gap' },
      });
      expect(message.retain).toBeUndefined();
    }
  });

  test('a loss of the whole gateway is about the gateway', () => {
    const [message] = dataOf(encode(encoding, [gap(7, { equipment: undefined } as object)]));
    if (message) expect(message.about).toMatchObject({ equipment: 'gw-leeds-1', path: 'candyco/leeds', message: 'gap' });
  });

  test('an event of a type from a later version passes whole, or is dropped', () => {
    const later = { ...gap(5), type: 'dragoman.note.v2', data: { text: 'x' } } as never;
    const messages = encode(encoding, [later], { grain: 'event', maxBodyBytes: 250_000 });
    if (encoding.name !== 'cloudevents') expect(messages).toEqual([]);
    else
      expect(messages).toMatchObject([
        { about: { equipment: 'cooker-1', path: 'candyco/leeds/kitchen/line-1', message: 'note' }, readings: 0 },
      ]);
    for (const message of messages) expect(JSON.parse(textOf(message))).toEqual(later);
  });

  test('no events, no messages', () => {
    expect(encode(encoding, [])).toEqual([]);
  });
});

test.for([
  { name: 'cloudevents', settings: {}, retains: true },
  { name: 'sparkplug-b', settings: {}, retains: true },
  { name: 'csv', settings: {}, retains: true },
  { name: 'csv', settings: { columns: ['point', 'value'] }, retains: false },
  { name: 'opcua-pubsub', settings: {}, retains: true },
  { name: 'opcua-pubsub', settings: { raw: true }, retains: false },
  { name: 'flat', settings: {}, retains: false },
  { name: 'flat', settings: { bad: 'empty' }, retains: true },
  { name: 'senml', settings: {}, retains: false },
  { name: 'senml', settings: { bad: 'status' }, retains: true },
])('$name $settings: a reading may stay on its topic: $retains', ({ name, settings, retains }) => {
  // A last value that cannot turn bad would look alive for ever.
  const messages = dataOf(
    encode(encodings.find((one) => one.name === name)!, [telemetry(1, everyKind)], { grain: 'reading', maxBodyBytes: 250_000 }, settings),
  );
  expect(messages.every(({ retain }) => retain === (retains || undefined))).toBe(true);
});

test.for(
  encodings.flatMap((encoding) => (['batch', 'reading'] satisfies Grain[]).map((grain) => ({ name: encoding.name, encoding, grain }))),
)('$name, grain $grain: time grows with the readings, not with their square', ({ encoding, grain }) => {
  // Time of the processor, least of three: the machine has other work too.
  const each = (n: number): number => {
    const events = [
      telemetry(
        1,
        Array.from({ length: n }, (_, i) => ({ point: `p${i}`, value: i, time: noon })),
      ),
    ];
    const laps = [1, 2, 3].map(() => {
      const start = process.cpuUsage();
      encode(encoding, events, { grain, maxBodyBytes: 2_000 });
      const { user, system } = process.cpuUsage(start);
      return (user + system) / n;
    });
    return Math.min(...laps);
  };
  each(2_000);
  // Ten times as many readings cost ten times as much for each of them where the square counts.
  expect(each(20_000)).toBeLessThan(5 * each(2_000));
});

function described(message: EncodedMessage): string {
  const { id, contentType, readings, createdMs, about, retain, body } = message;
  const head = { id, contentType, readings, created: new Date(createdMs).toISOString(), about, retain };
  const binary = contentType === 'application/x-protobuf';
  return `${JSON.stringify(head)}\n${binary ? Buffer.from(body).toString('hex').replace(/.{80}/g, '$&\n') : textOf(message)}`;
}

import { expect, test } from 'vitest';
import { hubMessage } from '../../test/contract/hub-client.ts';
import { checkSize, hardLimitBytes, telemetryEnvelope } from './property-bag.ts';

const base =
  'devices/gw-1/messages/events/%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&iothub-creation-time-utc=2026-11-24T08%3A00%3A01.250Z';
const message = hubMessage('m-1');

test.for([
  { rule: 'the plain one', given: message, topic: base },
  { rule: 'an id with reserved characters', given: { ...message, id: 'a:b%#+$1' }, topic: base.replace('m-1', 'a%3Ab%25%23%2B%241') },
  { rule: 'compressed', given: { ...message, contentEncoding: 'zstd' }, topic: base.replace('utf-8', 'zstd') },
  {
    rule: 'a CloudEvent, which routing reads as JSON',
    given: { ...message, contentType: 'application/cloudevents+json; charset=utf-8' },
    topic: base,
  },
  { rule: 'a batch of them', given: { ...message, contentType: 'application/cloudevents-batch+json' }, topic: base },
  { rule: 'another type stays', given: { ...message, contentType: 'text/csv' }, topic: base.replace('application%2Fjson', 'text%2Fcsv') },
  {
    rule: 'application properties',
    given: { ...message, properties: { alarm: 'a b/ü=1', 'a&b': '' } },
    topic: `${base}&alarm=a%20b%2F%C3%BC%3D1&a%26b=`,
  },
])('topic of $rule', ({ given, topic }) => {
  expect(telemetryEnvelope('devices/gw-1', given).topic).toBe(topic);
});

test('the device id goes in raw', () => {
  expect(telemetryEnvelope("devices/a%b:c'(", message).topic).toMatch(/^devices\/a%b:c'\(\/messages\/events\/%24\.mid=/);
});

test('counts what the hub counts: values of system properties, names and values of the others, in UTF-8', () => {
  const plain = telemetryEnvelope('devices/gw-1', message).propertyBytes;
  expect(plain).toBe('m-1application/jsonutf-8iothub-creation-time-utc2026-11-24T08:00:01.250Z'.length);
  expect(telemetryEnvelope('devices/gw-1', { ...message, properties: { ä: '€' } }).propertyBytes).toBe(plain + 2 + 3);
});

test.for([
  { rule: 'an id with a space', given: { ...message, id: 'a b' }, code: 'message-id' },
  { rule: 'an empty id', given: { ...message, id: '' }, code: 'message-id' },
  { rule: 'a long id', given: { ...message, id: 'x'.repeat(129) }, code: 'message-id' },
  { rule: 'a property that would forge a system property', given: { ...message, properties: { '$.mid': 'x' } }, code: 'message-property' },
  { rule: 'a property of the hub', given: { ...message, properties: { 'iothub-message-source': 'x' } }, code: 'message-property' },
  { rule: 'a topic that MQTT cannot carry', given: { ...message, properties: { a: 'x'.repeat(65_500) } }, code: 'message-too-large' },
])('never sends $rule', ({ given, code }) => {
  expect(() => telemetryEnvelope('devices/gw-1', given)).toThrow(expect.objectContaining({ code, retry: 'never' }));
});

test('the limit of 256 KiB is for everything together, and inclusive', () => {
  const { propertyBytes } = telemetryEnvelope('devices/gw-1', message);
  checkSize(message, hardLimitBytes - propertyBytes, propertyBytes);
  expect(() => checkSize(message, hardLimitBytes - propertyBytes + 1, propertyBytes)).toThrow(/m-1 has 262145 bytes/);
});

import { expect, test } from 'vitest';
import type { GapEvent, HubEvent, TelemetryEvent } from '../../model/telemetry.ts';
import { Selection, selector } from './selection.ts';

const event = (more: Partial<TelemetryEvent['data']> = {}, priority?: TelemetryEvent['priority']): TelemetryEvent => ({
  specversion: '1.0',
  id: 'gw/a/7',
  source: '/candyco/leeds/gw',
  type: 'dragoman.telemetry.v1',
  subject: 'cooker-1',
  time: '2026-11-24T08:00:01.250Z',
  datacontenttype: 'application/json',
  sequence: '7',
  partitionkey: 'cooker-1',
  ...(priority && { priority }),
  data: {
    equipment: 'cooker-1',
    path: 'candyco/leeds/kitchen/line-1',
    readings: ['jacket_temperature', 'motor_current', 'motor_speed'].map((point) => ({
      point,
      value: 1,
      time: '2026-11-24T08:00:01.250Z',
    })),
    ...more,
  },
});

const gap = (equipment?: string): GapEvent => ({
  ...event(),
  type: 'dragoman.gap.v1',
  data: { from: '', to: '', readings: 3, reason: 'overflow', ...(equipment && { equipment }) },
});

const points = (select: object, given: HubEvent = event()): readonly string[] | undefined => {
  const chosen = selector(Selection.parse(select))(given);
  return chosen?.type === 'dragoman.telemetry.v1' ? chosen.data.readings.map(({ point }) => point) : undefined;
};

test.for([
  [{}, 3],
  [{ equipment: 'cooker-*' }, 3],
  [{ equipment: ['mixer-1'] }, undefined],
  [{ path: 'candyco/**' }, 3],
  [{ path: 'candyco/york/**' }, undefined],
  [{ points: 'motor_*' }, 2],
  [{ points: ['jacket_temperature', 'motor_speed'] }, 2],
  [{ points: 'nothing' }, undefined],
  [{ equipment: 'cooker-1', points: 'motor_speed', path: '**/line-1' }, 1],
  [{ messages: 'telemetry' }, 3],
  [{ messages: 'alarms' }, undefined],
  [{ priority: 'telemetry' }, 3],
  [{ priority: ['alarm', 'state'] }, undefined],
] as const)('%o lets %o readings through', ([select, count]) => {
  expect(points(select)?.length).toBe(count);
});

test('by message and by priority', () => {
  const alarm = event({ message: 'alarms' }, 'alarm');
  expect(points({ messages: 'alarms' }, alarm)).toHaveLength(3);
  expect(points({ priority: 'alarm' }, alarm)).toHaveLength(3);
  expect(points({ priority: 'telemetry' }, alarm)).toBeUndefined();
});

test('an event of which everything is selected is the event itself', () => {
  const whole = event();
  expect(selector(Selection.parse({ points: '*' }))(whole)).toBe(whole);
});

test('losses are told to those whom they concern', () => {
  const select = selector(Selection.parse({ equipment: 'cooker-1', points: 'nothing', priority: 'alarm' }));
  expect(select(gap('cooker-1'))).toBeDefined();
  expect(select(gap('mixer-1'))).toBeUndefined();
  expect(select(gap())).toBeDefined();
});

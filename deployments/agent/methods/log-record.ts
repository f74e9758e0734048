import type { LogLine } from '../../engine/contract.ts';

/** One line as programs of IoT Edge get it. */
export interface LogRecord {
  readonly iothub: string;
  readonly device: string;
  readonly id: string;
  readonly stream: 'stdout' | 'stderr';
  readonly loglevel: number;
  readonly text: string;
  readonly timestamp: string;
}

/** `<6> 2026-11-24 08:00:01.250 +00:00 text`, as IoT Edge recommends it; anything else is text of level 6. */
const recommended = /^<(\d)>\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[+-]\d\d:?\d\d|Z))?\s*/;
const informational = 6;

export const levelOf = (text: string): number => Number(recommended.exec(text)?.[1] ?? informational);

export function recordOf(line: LogLine, id: string, { deviceId, hub }: { readonly deviceId: string; readonly hub: string }): LogRecord {
  const head = recommended.exec(line.text);
  const written = head?.[2] === undefined ? Number.NaN : Date.parse(head[2].replace(' ', 'T').replace(' ', ''));
  return {
    iothub: hub,
    device: deviceId,
    id,
    stream: line.stream,
    loglevel: levelOf(line.text),
    text: head ? line.text.slice(head[0].length) : line.text,
    timestamp: Number.isFinite(written) ? new Date(written).toISOString() : line.time,
  };
}

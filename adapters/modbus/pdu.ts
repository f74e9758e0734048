import type { Expected } from './framing/framing.ts';

/** Request to read `count` units from `start` (MODBUS Application Protocol V1.1b3 §6.1–6.4). */
export function readPdu(functionCode: number, start: number, count: number): Uint8Array {
  return Uint8Array.of(functionCode, start >> 8, start & 0xff, count >> 8, count & 0xff);
}

/** Data bytes of the answer: functions 1 and 2 pack eight bits a byte. */
export function byteCountOf(functionCode: number, count: number): number {
  return functionCode <= 2 ? (count + 7) >> 3 : count * 2;
}

/** What an answer turned out to be. */
export type Verdict = 'data' | 'exception' | 'malformed' | 'foreign';

/** Judges the PDU bytes[start..end) against what was asked. For `data` the values begin at start + 2, for `exception` the code is at start + 1. */
export function judge(expected: Expected, bytes: Uint8Array, start: number, end: number): Verdict {
  const code = bytes[start]!;
  if (code === (expected.functionCode | 0x80)) return end - start === 2 && bytes[start + 1] !== 0 ? 'exception' : 'malformed';
  if (code !== expected.functionCode) return 'foreign';
  const { echo } = expected;
  if (echo) return end - start === echo.length && echo.every((byte, i) => bytes[start + i] === byte) ? 'data' : 'malformed';
  return bytes[start + 1] === expected.byteCount && end - start === expected.byteCount + 2 ? 'data' : 'malformed';
}

import { type ExactTime, sourceTime, ticksPerSecond } from '../source-time.ts';

/** Times below this are relative to now (RFC 8428 §4.5.3): 4 July 1978 in seconds. */
const relativeBelow = 2 ** 28;

/** Undefined for a time that SenML would take for a relative one. */
export function absoluteTime(text: string): ExactTime | undefined {
  const time = sourceTime(text);
  return time.seconds >= relativeBelow ? time : undefined;
}

/** Seconds in decimal, with every digit: `1795507201.25`. */
export function secondsText({ seconds, ticks }: ExactTime): string {
  return decimal(seconds, ticks, '');
}

/** `time` less `base`: `-0.0000001`. */
export function differenceText(time: ExactTime, base: ExactTime): string {
  const ticks = (time.seconds - base.seconds) * ticksPerSecond + time.ticks - base.ticks;
  const size = Math.abs(ticks);
  return decimal(Math.floor(size / ticksPerSecond), size % ticksPerSecond, ticks < 0 ? '-' : '');
}

function decimal(whole: number, ticks: number, sign: string): string {
  return ticks === 0 ? `${sign}${whole}` : `${sign}${whole}.${String(ticks).padStart(7, '0').replace(/0+$/, '')}`;
}

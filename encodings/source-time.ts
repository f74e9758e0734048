export const ticksPerSecond = 10_000_000;

/** A time to 100 ns, in two parts because a double holds only its microseconds. */
export interface ExactTime {
  /** Since 1970. */
  readonly seconds: number;
  /** 100 ns units, 0 to 9,999,999. */
  readonly ticks: number;
}

/** Most times of a batch lie in one second; a machine's and the gateway's alternate. */
let lastText = '';
let lastSeconds = 0;
let otherText = '';
let otherSeconds = 0;

/** Reads RFC 3339 in UTC with up to seven decimals, as it stands in a reading; seconds are NaN for anything else. */
export function sourceTime(time: string): ExactTime {
  const point = time.indexOf('.');
  const text = point < 0 ? time.slice(0, -1) : time.slice(0, point);
  const ticks = point < 0 ? 0 : ticksOf(time, point + 1);
  return { seconds: secondsOf(text), ticks };
}

/** Epoch milliseconds, the rest cut off. */
export function sourceMs(time: string): number {
  const { seconds, ticks } = sourceTime(time);
  return seconds * 1000 + Math.trunc(ticks / 10_000);
}

function ticksOf(time: string, from: number): number {
  let ticks = 0;
  for (let i = 0; i < 7; i++) {
    const digit = time.charCodeAt(from + i) - 48;
    ticks = ticks * 10 + (digit >= 0 && digit <= 9 && from + i < time.length - 1 ? digit : 0);
  }
  return ticks;
}

function secondsOf(text: string): number {
  if (text === lastText) return lastSeconds;
  if (text === otherText) {
    [lastText, otherText] = [otherText, lastText];
    [lastSeconds, otherSeconds] = [otherSeconds, lastSeconds];
    return lastSeconds;
  }
  otherText = lastText;
  otherSeconds = lastSeconds;
  lastText = text;
  lastSeconds = Date.parse(`${text}Z`) / 1000;
  return lastSeconds;
}

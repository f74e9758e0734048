/** `000Z` to `999Z`. */
const milliseconds = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`);

/** Seconds since 1970 and their text up to the point: `2026-11-24T08:00:01.` Times come in runs of the same second. */
let lastSecond = Number.NaN;
let lastText = '';

/** RFC 3339 UTC with milliseconds. Throws a RangeError beyond the years that a Date knows. */
export function isoTime(ms: number): string {
  const whole = Math.trunc(ms);
  const second = Math.floor(whole / 1000);
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toISOString().slice(0, -4);
    lastSecond = second;
  }
  return lastText + milliseconds[whole - second * 1000];
}

/** The same with the 100 ns digits of a source that has them. */
export function isoTimeTicks(ms: number, ticks: number): string {
  const text = isoTime(ms);
  if (ticks === 0) return text;
  let digits = 4;
  let rest = ticks;
  for (; rest % 10 === 0; rest /= 10) digits--;
  return `${text.slice(0, -1)}${String(rest).padStart(digits, '0')}Z`;
}

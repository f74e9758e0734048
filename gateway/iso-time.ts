/** `000Z` to `999Z`. */
const milliseconds = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`);

/**
 * Texts of whole seconds up to the point, `2026-11-24T08:00:01.`, each in the place that its number gives it.
 * More than one, because the clocks of a machine and of the gateway alternate from call to call.
 */
const places = 64;
const seconds = new Float64Array(places).fill(Number.NaN);
const texts = new Array<string>(places).fill('');

/** RFC 3339 UTC with milliseconds. Throws a RangeError beyond the years that a Date knows. */
export function isoTime(ms: number): string {
  const whole = Math.trunc(ms);
  const second = Math.floor(whole / 1000);
  const place = second & (places - 1);
  if (seconds[place] !== second) {
    texts[place] = new Date(second * 1000).toISOString().slice(0, -4);
    seconds[place] = second;
  }
  return texts[place]! + milliseconds[whole - second * 1000];
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

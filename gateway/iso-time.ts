/** `000` to `999`, and the same with the end of the text. */
const milliseconds = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, '0'));
const ends = milliseconds.map((digits) => `${digits}Z`);

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
  return secondText(second) + ends[whole - second * 1000];
}

/** The same with the 100 ns digits of a source that has them. */
export function isoTimeTicks(ms: number, ticks: number): string {
  if (ticks === 0) return isoTime(ms);
  const whole = Math.trunc(ms);
  const second = Math.floor(whole / 1000);
  return secondText(second) + milliseconds[whole - second * 1000] + tickEnd(ticks);
}

function secondText(second: number): string {
  const place = second & (places - 1);
  if (seconds[place] !== second) {
    texts[place] = new Date(second * 1000).toISOString().slice(0, -4);
    seconds[place] = second;
  }
  return texts[place]!;
}

/** Filled as they come: many sources have none, others all of them. */
const tickEnds: (string | undefined)[] = new Array(10_000).fill(undefined);

function tickEnd(ticks: number): string {
  const known = tickEnds[ticks];
  if (known !== undefined) return known;
  const end = `${String(ticks).padStart(4, '0').replace(/0+$/, '')}Z`;
  tickEnds[ticks] = end;
  return end;
}

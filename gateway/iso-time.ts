let lastMs = Number.NaN;
let lastText = '';

/** RFC 3339 UTC with milliseconds. Readings come in runs of equal times, so the last text is kept. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

/** The same with the 100 ns digits of a source that has them. */
export function isoTimeTicks(ms: number, ticks: number): string {
  const text = isoTime(ms);
  if (ticks === 0) return text;
  return `${text.slice(0, -1)}${ticks.toString().padStart(4, '0').replace(/0+$/, '')}Z`;
}

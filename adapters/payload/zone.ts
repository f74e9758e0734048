const formats = new Map<string, Intl.DateTimeFormat | undefined>();

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  if (formats.has(zone)) return formats.get(zone);
  let format: Intl.DateTimeFormat | undefined;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    format = undefined;
  }
  formats.set(zone, format);
  return format;
}

export function isZone(zone: string): boolean {
  return formatOf(zone) !== undefined;
}

/** What clocks in the zone are ahead of UTC by at that moment, in milliseconds. */
function aheadMs(format: Intl.DateTimeFormat, timeMs: number): number {
  const part: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(timeMs)) part[type] = value;
  const year = part.era === 'BC' ? 1 - Number(part.year) : Number(part.year);
  const shown = new Date(0);
  shown.setUTCFullYear(year, Number(part.month) - 1, Number(part.day));
  shown.setUTCHours(Number(part.hour), Number(part.minute), Number(part.second));
  return shown.getTime() - Math.floor(timeMs / 1000) * 1000;
}

const day = 86_400_000;
/** Offsets change on whole quarters of an hour; within one that a message of a line shares, they are asked for once. */
const quarter = 900_000;
let last: { zone: string; quarter: number; aheadMs: number } | undefined;

/**
 * The moment at which clocks in `zone` show `localMs` (the local time as if it were UTC). In the hour that comes twice the first is given
 * and `twice` is true; undefined for a time that clocks skipped.
 */
export function zonedTime(localMs: number, zone: string): { readonly timeMs: number; readonly twice: boolean } | undefined {
  const at = Math.floor(localMs / quarter);
  if (last?.zone === zone && last.quarter === at) return { timeMs: localMs - last.aheadMs, twice: false };
  const format = formatOf(zone);
  if (!format) return undefined;
  const offsets = [...new Set([aheadMs(format, localMs - day), aheadMs(format, localMs + day)])];
  const moments = offsets.map((ahead) => localMs - ahead).filter((moment) => aheadMs(format, moment) === localMs - moment);
  const timeMs = moments.length === 0 ? undefined : Math.min(...moments);
  if (timeMs === undefined) return undefined;
  const twice = moments.length > 1;
  // Around a change neighbours within the quarter may differ.
  if (offsets.length === 1) last = { zone, quarter: at, aheadMs: localMs - timeMs };
  return { timeMs, twice };
}

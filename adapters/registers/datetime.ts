/**
 * Clocks of machines as they lie in registers. None of the forms but IEC 870 knows summer time and none a zone:
 * the machine's clock is taken as UTC. Every function gets the big-endian bytes of one value and gives an ISO 8601 string,
 * or undefined when they spell no date (month 13, BCD nibble above 9, all zero).
 */

export function unix32(seconds: number): string | undefined {
  return seconds === 0 ? undefined : new Date(seconds * 1000).toISOString();
}

/** Milliseconds since 1970. */
export function unix64(ms: bigint): string | undefined {
  if (ms === 0n || ms > 253_402_300_799_999n || ms < -62_167_219_200_000n) return undefined;
  return new Date(Number(ms)).toISOString();
}

/**
 * CP56Time2a in four registers, as Schneider devices give it (TI081): year since 2000 in bits 0–6; then month and day; hour and minute;
 * milliseconds of the minute. Bit 7 of the minute says that the device itself calls the time invalid.
 */
export function iec870(bytes: Uint8Array): string | undefined {
  const [, year, month, day, hour, minute, msHigh, msLow] = bytes as unknown as readonly number[];
  if (minute! & 0x80) return undefined;
  const ms = (msHigh! << 8) | msLow!;
  return iso(2000 + (year! & 0x7f), month! & 0x0f, day! & 0x1f, hour! & 0x1f, minute! & 0x3f, Math.floor(ms / 1000), ms % 1000);
}

/** Siemens DATE_AND_TIME: eight BCD bytes year, month, day, hour, minute, second, milliseconds in three digits, weekday. Years 90–99 are 19xx. */
export function s7(bytes: Uint8Array): string | undefined {
  const digits = [...bytes].map((byte) => (byte >> 4 > 9 || (byte & 15) > 9 ? Number.NaN : (byte >> 4) * 10 + (byte & 15)));
  const [year, month, day, hour, minute, second, hundredths] = digits as readonly number[];
  const ms = hundredths! * 10 + (bytes[7]! >> 4);
  if (bytes[7]! >> 4 > 9) return undefined;
  return iso(year! >= 90 ? 1900 + year! : 2000 + year!, month!, day!, hour!, minute!, second!, ms);
}

/** Six registers, one each: year (with or without the century), month, day, hour, minute, second. */
export function ymdhms(bytes: Uint8Array): string | undefined {
  const register = (i: number): number => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!;
  const year = register(0);
  return iso(year < 100 ? 2000 + year : year, register(1), register(2), register(3), register(4), register(5), 0);
}

function iso(year: number, month: number, day: number, hour: number, minute: number, second: number, ms: number): string | undefined {
  const time = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  if (Number.isNaN(time) || year > 9999) return undefined;
  const date = new Date(time);
  // Date.UTC rolls 31 April over into May; a device that says so has no valid clock.
  const same =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour && date.getUTCMinutes() === minute;
  return same && date.getUTCSeconds() === second ? date.toISOString() : undefined;
}

const bcd = (n: number): number => (Math.floor(n / 10) << 4) | (n % 10);

/** The reverse of each, for simulators: big-endian bytes of an ISO 8601 string. */
export function encodeDatetime(form: 'iec870' | 's7' | 'ymdhms', text: string): Uint8Array {
  const d = new Date(text);
  const year = d.getUTCFullYear();
  const [month, day, hour, minute] = [d.getUTCMonth() + 1, d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes()];
  const [second, ms] = [d.getUTCSeconds(), d.getUTCMilliseconds()];
  if (form === 'ymdhms') return Uint8Array.from([year, month, day, hour, minute, second].flatMap((n) => [n >> 8, n & 255]));
  if (form === 'iec870') {
    const inMinute = second * 1000 + ms;
    return Uint8Array.of(0, year - 2000, month, day, hour, minute, inMinute >> 8, inMinute & 255);
  }
  return Uint8Array.of(
    bcd(year % 100),
    bcd(month),
    bcd(day),
    bcd(hour),
    bcd(minute),
    bcd(second),
    bcd(Math.floor(ms / 10)),
    (ms % 10) << 4,
  );
}

import { InvalidArgumentError } from 'commander';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `30s`, `10m`, `2h`, `7d` in milliseconds. */
export function parseSpan(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  if (!match) throw new InvalidArgumentError('Write a time span such as 30s, 10m, 2h or 7d.');
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}

/** ISO 8601 in epoch milliseconds; a time without a zone is local time. */
export function parseTime(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError('Write a time such as 2026-11-24T08:00:00Z, or 2026-11-24T08:00 for local time.');
  return ms;
}

/** 0 takes any free port. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('Write a port from 0 to 65535.');
  return port;
}

const unitBytes = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 } as const;

/** `500MB`, `2GB` in bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(KB|MB|GB)$/i.exec(text);
  const bytes = Number(match?.[1]) * unitBytes[match?.[2]?.toUpperCase() as keyof typeof unitBytes];
  if (!(bytes >= 1024 ** 2)) throw new InvalidArgumentError('Write a size of at least 1MB, such as 500MB or 2GB.');
  return bytes;
}

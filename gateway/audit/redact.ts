import type { AuditRecord, AuditValue } from './entry.ts';

const secretName =
  /pass(word|phrase)|secret|token|credential|sharedaccess|connectionstring|private.?key|(^|[^a-z])key$|(symmetric|primary|secondary|group|account)key/i;
/** Secrets that stand within a text: connection strings, signatures, PEM, bearer tokens, passwords in URLs. */
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/(SharedAccessKey|AccountKey|Password|pwd)=[^;\s"]+/gi, '$1=[redacted]'],
  [/([?&\s]sig)=[^&\s"]+/gi, '$1=[redacted]'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[redacted private key]'],
  [/\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}/g, '$1 [redacted]'],
  [/(:\/\/[^:/\s@]+):[^@/\s]+@/g, '$1:[redacted]@'],
];
/** Longer texts, lists and groups are cut: a log is no archive. */
const longest = 2_000;
const deepest = 8;

/** The record without secrets, bounded in size. References (`{ file: … }`, `{ env: … }`) name a secret and hold none: they stay. */
export function redacted(record: AuditRecord): AuditRecord {
  return value(record as unknown as AuditValue, '', 0) as unknown as AuditRecord;
}

function value(given: AuditValue | undefined, name: string, depth: number): AuditValue {
  if (secretName.test(name) && !isReference(given) && typeof given !== 'boolean' && given !== null && given !== undefined)
    return '[redacted]';
  if (typeof given === 'string') return text(given);
  // JSON has no such numbers.
  if (typeof given === 'bigint') return String(given);
  if (typeof given !== 'object' || given === null) return given ?? null;
  if (depth >= deepest) return '[deeper]';
  if (Array.isArray(given)) {
    const kept = given.slice(0, 200).map((one: AuditValue) => value(one, '', depth + 1));
    return given.length > kept.length ? [...kept, `[${given.length - kept.length} more]`] : kept;
  }
  const entries = Object.entries(given).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.slice(0, 200).map(([key, one]) => [key, value(one, key, depth + 1)]));
}

function isReference(given: AuditValue | undefined): boolean {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  const keys = Object.keys(given);
  return keys.length === 1 && ['file', 'env', 'key'].includes(keys[0]!);
}

function text(given: string): string {
  const clean = secretTexts.reduce((before, [pattern, instead]) => before.replace(pattern, instead), given);
  return clean.length > longest ? `${clean.slice(0, longest)} [${clean.length - longest} more characters]` : clean;
}

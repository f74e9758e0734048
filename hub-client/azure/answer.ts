/** What came on `…/res/{status}/?$rid=…`. */
export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  /** `$version`: the new one, after a patch. */
  readonly version: number | undefined;
  /** `retry-after`, which the service gives in seconds. */
  readonly retryAfterMs: number | undefined;
}

/** The part of a topic after `…/res/`: `{status}/?$rid={rid}&…`. Undefined when it is something else. */
export function parseAnswer(rest: string, body: Uint8Array): (Answer & { readonly rid: string }) | undefined {
  const match = /^(\d{3})\/\?(.*)$/s.exec(rest);
  if (!match) return undefined;
  const query = parseQuery(match[2]!);
  const rid = query.get('$rid');
  if (rid === undefined) return undefined;
  const version = Number(query.get('$version') ?? Number.NaN);
  const seconds = Number(query.get('retry-after') ?? Number.NaN);
  return {
    rid,
    status: Number(match[1]),
    body,
    version: Number.isSafeInteger(version) ? version : undefined,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
  };
}

/** `key=value` pairs, the last of a name counts. A value whose percent-encoding is broken stays as it came. */
export function parseQuery(text: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    query.set(decoded(equals < 0 ? pair : pair.slice(0, equals)), equals < 0 ? '' : decoded(pair.slice(equals + 1)));
  }
  return query;
}

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What an error answer says of itself: `{"errorCode":400004,"trackingId":"…","message":"…"}`; its first words when it is something else. */
export function errorText(body: Uint8Array): { readonly code: number | undefined; readonly text: string } {
  const written = Buffer.from(body).toString('utf8').trim();
  const parsed = parseJson(written);
  if (!isObject(parsed)) return { code: undefined, text: written.slice(0, 200) };
  const { errorCode, message, trackingId } = parsed;
  const code = typeof errorCode === 'number' ? errorCode : undefined;
  const words = [
    message,
    code === undefined ? undefined : `error ${code}`,
    trackingId === undefined ? undefined : `tracking id ${trackingId}`,
  ];
  return { code, text: words.filter((word) => typeof word === 'string' && word !== '').join(', ') };
}

/** Undefined when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export type JsonObject = { readonly [key: string]: unknown };

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

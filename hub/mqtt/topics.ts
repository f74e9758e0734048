/** Largest telemetry message in bytes: body, values of system properties, names and values of application properties. */
export const maxMessageBytes = 256 * 1024;

export type PropertyBag = Readonly<Record<string, string>>;

/** What a device may publish. */
export type PublishTopic =
  | { readonly kind: 'telemetry'; readonly properties: PropertyBag }
  | { readonly kind: 'twin-get'; readonly rid: string }
  | { readonly kind: 'twin-reported'; readonly rid: string; readonly version: string | undefined }
  | { readonly kind: 'method-response'; readonly status: number; readonly rid: string };

const twinGet = '$iothub/twin/GET/';
const twinReported = '$iothub/twin/PATCH/properties/reported/';
const methodResponse = /^\$iothub\/methods\/res\/(-?\d{1,9})\/\?(.*)$/s;

/** Undefined when `deviceId` may not publish there; the real hub closes the connection then. */
export function parsePublishTopic(topic: string, deviceId: string): PublishTopic | undefined {
  if (topic.startsWith('devices/')) {
    const bag = telemetryBag(topic, deviceId);
    const properties = bag === undefined ? undefined : parseBag(bag);
    return properties && { kind: 'telemetry', properties };
  }
  if (topic.startsWith(twinGet)) {
    const query = parseBag(topic.slice(twinGet.length).replace(/^\?/, ''));
    return query && { kind: 'twin-get', rid: query.$rid ?? '' };
  }
  if (topic.startsWith(twinReported)) {
    const query = parseBag(topic.slice(twinReported.length).replace(/^\?/, ''));
    return query && { kind: 'twin-reported', rid: query.$rid ?? '', version: query.$version };
  }
  const method = methodResponse.exec(topic);
  const query = method && parseBag(method[2] ?? '');
  return query ? { kind: 'method-response', status: Number(method?.[1]), rid: query.$rid ?? '' } : undefined;
}

/** The part after `events/`; exactly one slash at its end is stripped, the slash before it may be missing. */
function telemetryBag(topic: string, deviceId: string): string | undefined {
  const start = `devices/${deviceId}/messages/events`;
  if (!topic.startsWith(start)) return undefined;
  const rest = topic.slice(start.length);
  if (rest === '' || rest === '/') return '';
  if (!rest.startsWith('/')) return undefined;
  const bag = rest.endsWith('/') ? rest.slice(1, -1) : rest.slice(1);
  return bag.includes('/') ? undefined : bag;
}

/** `key=value` pairs, both percent-encoded; a key alone has the value ''. Undefined when the encoding is broken. */
export function parseBag(text: string): PropertyBag | undefined {
  const bag: Record<string, string> = Object.create(null);
  if (text === '') return bag;
  try {
    for (const pair of text.split('&')) {
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      const key = decodeURIComponent(equals < 0 ? pair : pair.slice(0, equals));
      bag[key] = equals < 0 ? '' : decodeURIComponent(pair.slice(equals + 1));
    }
    return bag;
  } catch {
    return undefined;
  }
}

/** What counts towards {@link maxMessageBytes}. */
export function messageBytes(properties: PropertyBag, bodyBytes: number): number {
  let bytes = bodyBytes;
  for (const key in properties) {
    bytes += Buffer.byteLength(properties[key] ?? '');
    if (!key.startsWith('$.')) bytes += Buffer.byteLength(key);
  }
  return bytes;
}

/** Most filters one identity may hold at once. */
export const maxSubscriptions = 5;

/** The documented filters, and nothing else. */
export function maySubscribe(filter: string, deviceId: string): boolean {
  return (
    filter === `devices/${deviceId}/messages/devicebound/#` ||
    filter === `devices/${deviceId}/messages/devicebound` ||
    filter === '$iothub/methods/POST/#' ||
    filter === '$iothub/twin/res/#' ||
    filter === '$iothub/twin/PATCH/properties/desired/#'
  );
}

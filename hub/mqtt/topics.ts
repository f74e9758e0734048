import type { IdentityName } from '../core/contract.ts';
import type { Feature } from '../core/links.ts';

/** Largest telemetry message in bytes: body, values of system properties, names and values of application properties. */
export const maxMessageBytes = 256 * 1024;

export type PropertyBag = Readonly<Record<string, string>>;

/** What an identity may publish besides telemetry. */
export type RequestTopic =
  | { readonly kind: 'twin-get'; readonly rid: string }
  | { readonly kind: 'twin-reported'; readonly rid: string; readonly version: string | undefined }
  | { readonly kind: 'method-response'; readonly status: number; readonly rid: string };

const twinGet = '$iothub/twin/GET/';
const twinReported = '$iothub/twin/PATCH/properties/reported/';

/** Of a request; it comes back in the topic of the answer. */
const maxRidChars = 1024;

/** Undefined when nobody may publish there; the real hub closes the connection then. */
export function parseRequestTopic(topic: string): RequestTopic | undefined {
  const [start, status] = topic.startsWith(twinGet)
    ? [twinGet]
    : topic.startsWith(twinReported)
      ? [twinReported]
      : (/^(\$iothub\/methods\/res\/(-?\d{1,9})\/)\?/.exec(topic)?.slice(1) ?? []);
  if (start === undefined) return undefined;
  const query = parseBag(topic.slice(start.length).replace(/^\?/, ''));
  const rid = query?.$rid ?? '';
  if (!query || rid.length > maxRidChars) return undefined;
  if (start === twinGet) return { kind: 'twin-get', rid };
  if (start === twinReported) return { kind: 'twin-reported', rid, version: query.$version };
  return { kind: 'method-response', status: Number(status), rid };
}

/** `devices/gw-1`, `devices/gw-1/modules/filter`: what the topics of an identity begin with. */
export const topicRoot = ({ deviceId, moduleId }: IdentityName): string =>
  moduleId === undefined ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`;

/**
 * The properties in a telemetry topic of this identity; undefined when it is none. Exactly one slash at the end is stripped (the SDK puts one
 * behind the properties of a module's output), and the slash behind `events` may be missing.
 */
export function parseTelemetryTopic(topic: string, root: string): PropertyBag | undefined {
  const start = `${root}/messages/events`;
  if (!topic.startsWith(start)) return undefined;
  const rest = topic.slice(start.length);
  if (rest === '' || rest === '/') return parseBag('');
  if (!rest.startsWith('/')) return undefined;
  const bag = rest.endsWith('/') ? rest.slice(1, -1) : rest.slice(1);
  return bag.includes('/') ? undefined : parseBag(bag);
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

/** The documented filters, and what an identity hears on them. Modules: the Node SDK takes `inputs/#`, the others all of `…/#`. */
export function featureFilters({ deviceId, moduleId }: IdentityName): Readonly<Record<Feature, readonly string[]>> {
  const root = topicRoot({ deviceId, moduleId });
  return {
    methods: ['$iothub/methods/POST/#'],
    desired: ['$iothub/twin/PATCH/properties/desired/#'],
    messages: moduleId === undefined ? [`${root}/messages/devicebound/#`] : [],
    inputs: moduleId === undefined ? [] : [`${root}/inputs/#`, `${root}/#`],
  };
}

/** Filters on which nothing but answers is ever sent, or nothing at all. */
export const quietFilters = ({ deviceId, moduleId }: IdentityName): readonly string[] =>
  moduleId === undefined ? ['$iothub/twin/res/#', `devices/${deviceId}/messages/devicebound`] : ['$iothub/twin/res/#'];

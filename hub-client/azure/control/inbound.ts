import { type Answer, decoded, parseAnswer, parseQuery } from '../answer.ts';

/** What a hub sends to a device. */
export type Inbound =
  | ({ readonly kind: 'answer'; readonly rid: string } & Answer)
  | { readonly kind: 'desired'; readonly version: number | undefined }
  | { readonly kind: 'method'; readonly name: string; readonly rid: string }
  | { readonly kind: 'message'; readonly properties: Readonly<Record<string, string>> };

const answers = '$iothub/twin/res/';
const desired = '$iothub/twin/PATCH/properties/desired/';
const methods = '$iothub/methods/POST/';

/** The only filters that a device may subscribe to; the hub hangs up for another, and for a sixth. */
export const filters = {
  answers: `${answers}#`,
  desired: `${desired}#`,
  methods: `${methods}#`,
  messages: (root: string): string => `${root}/messages/devicebound/#`,
} as const;

/** Undefined for a topic that no IoT Hub sends on. */
export function parseInbound(topic: string, body: Uint8Array, root: string): Inbound | undefined {
  if (topic.startsWith(answers)) {
    const answer = parseAnswer(topic.slice(answers.length), body);
    return answer && { kind: 'answer', ...answer };
  }
  if (topic.startsWith(desired)) {
    const version = Number(parseQuery(topic.slice(desired.length).replace(/^\?/, '')).get('$version') ?? Number.NaN);
    return { kind: 'desired', version: Number.isSafeInteger(version) ? version : undefined };
  }
  if (topic.startsWith(methods)) {
    // The request id goes back as it came, letter for letter.
    const match = /^([^/]+)\/\?(?:.*&)?\$rid=([^&]*)/s.exec(topic.slice(methods.length));
    return match ? { kind: 'method', name: decoded(match[1]!), rid: match[2]! } : undefined;
  }
  const messages = `${root}/messages/devicebound`;
  if (topic !== messages && !topic.startsWith(`${messages}/`)) return undefined;
  return { kind: 'message', properties: Object.fromEntries(parseQuery(topic.slice(messages.length + 1).replace(/^\?/, ''))) };
}

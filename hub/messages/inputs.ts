import type { CloudMessage, IdentityName } from '../core/contract.ts';
import type { Links } from '../core/links.ts';
import { identityId } from '../registry.ts';

/**
 * Gives a message to an input of a connected module, and resolves with whether it acknowledged it. `sender` is where the message came from. Nothing is
 * kept here: who routes messages to modules keeps them until this says true.
 */
export function sendInput(
  links: Links,
  name: IdentityName & { readonly moduleId: string },
  input: string,
  message: CloudMessage,
  sender: IdentityName,
): Promise<boolean> {
  const link = links.get(identityId(name.deviceId, name.moduleId));
  if (link?.listens('inputs') === undefined) return Promise.resolve(false);
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ['$.cdid', sender.deviceId],
    ['$.cmid', sender.moduleId],
    ['$.mid', message.messageId],
    ['$.cid', message.correlationId],
    ['$.ct', message.contentType],
    ['$.ce', message.contentEncoding],
    ...Object.entries(message.properties ?? {}),
  ];
  const bag = pairs
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value as string)}`)
    .join('&');
  // The slash behind the name is a must: the SDK drops a message without it.
  const topic = `devices/${name.deviceId}/modules/${name.moduleId}/inputs/${encodeURIComponent(input)}/${bag}`;
  return new Promise((resolve) => link.deliver(topic, message.body, resolve));
}

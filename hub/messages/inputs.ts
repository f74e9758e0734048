import type { CloudMessage, IdentityName, ModuleInputs } from '../core/contract.ts';
import type { Links } from '../core/links.ts';
import { identityId } from '../registry.ts';

/** The inputs of connected modules. */
export const moduleInputs = (links: Links): ModuleInputs => ({
  send: (module, input, message, sender) => send(links, module, input, message, sender),
});

function send(
  links: Links,
  name: IdentityName & { readonly moduleId: string },
  input: string,
  message: CloudMessage,
  sender: IdentityName,
): Promise<boolean> {
  const link = links.get(identityId(name.deviceId, name.moduleId));
  const qos = link?.listens('inputs');
  if (!link || qos === undefined) return Promise.resolve(false);
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
  // The slash behind the name is a must: the SDK drops a message without it. It takes the name as it is, so only what would break the topic is encoded.
  const level = input.replaceAll(/[/+#]/g, encodeURIComponent);
  const topic = `devices/${name.deviceId}/modules/${name.moduleId}/inputs/${level}/${bag}`;
  if (qos === 1) return new Promise((resolve) => link.deliver(topic, message.body, resolve));
  // Nobody will acknowledge it: sent is all there is.
  return new Promise((resolve) => link.publish(topic, message.body, resolve));
}

import { z } from 'zod';
import { secretReference } from '../../mappings/connection-keys.ts';
import { duration } from '../../mappings/keys.ts';

/** Strongest first: the order in which one is chosen when the mapping names none (OPC UA Part 7, profiles of 1.05). */
export const securityPolicies = ['Aes256_Sha256_RsaPss', 'Aes128_Sha256_RsaOaep', 'Basic256Sha256'] as const;
export type SecurityPolicyName = (typeof securityPolicies)[number];

export const securityModes = ['None', 'Sign', 'SignAndEncrypt'] as const;
export type SecurityModeName = (typeof securityModes)[number];

const deprecated = ['Basic128Rsa15', 'Basic256'];

/** A custom issue that carries the rule id and the hint of the diagnostics. */
type Refuse = (rule: string, message: string, hint?: string) => void;
const refuser =
  (context: z.RefinementCtx): Refuse =>
  (rule, message, hint) =>
    context.addIssue({ code: 'custom', message, params: { rule, hint } });

const example = 'Write opc.tcp://host:4840, with the path of the server if it has one';

/** What is wrong with an endpoint URL, or undefined. */
export function endpointProblem(text: string): { readonly message: string; readonly hint: string } | undefined {
  const wrong = (message: string, hint = example) => ({ message, hint });
  if (/\s/.test(text)) return wrong(`"${text}" contains a space`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return wrong(`"${text}" does not begin with opc.tcp://`);
  if (scheme !== 'opc.tcp') {
    const isWeb = ['opc.https', 'https', 'opc.wss', 'http'].includes(scheme);
    return wrong(
      `${scheme}:// in "${text}": ${isWeb ? 'only the binary transport over TCP is supported' : 'this is not an OPC UA endpoint'}`,
    );
  }
  const authority = /^[^/?#]*/.exec(text.slice('opc.tcp://'.length))?.[0] ?? '';
  if (authority.includes('@')) {
    return wrong('a user name does not belong into the endpoint', 'Write it under user: { name: …, password: { file: … } }');
  }
  if (/[?#]/.test(text)) return wrong(`"${text}" has a query or fragment, which no OPC UA server reads`);
  const parts = /^(\[[0-9a-f:.]+\]|[^:[\]]*)(?::([^:]*))?$/i.exec(authority);
  if (!parts) return wrong(`"${authority}" is not a host`, 'An IPv6 address stands in brackets: opc.tcp://[fd00::1]:4840');
  const [, host, port] = parts;
  if (!host) return wrong(`"${text}" names no host`);
  const isPort = port === undefined || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535);
  return isPort ? undefined : wrong(`port "${port}" is not a number from 1 to 65535`);
}

const endpoint = z
  .string()
  .superRefine((text, context) => {
    const problem = endpointProblem(text);
    if (problem) refuser(context)('opcua-endpoint', problem.message, problem.hint);
  })
  .describe('Address of the server: opc.tcp://host:port/path. The host written here is used, whatever host the server advertises');

const policy = z
  .string()
  .superRefine((text, context) => {
    if ((securityPolicies as readonly string[]).includes(text)) return;
    const refuse = refuser(context);
    if (deprecated.includes(text)) {
      refuse(
        'opcua-deprecated-policy',
        `policy: "${text}" rests on SHA-1 and RSA PKCS #1 v1.5 and is deprecated since 2018`,
        'Enable Basic256Sha256 or newer on the server; most offer it after a firmware update',
      );
    } else if (text === 'None') {
      refuse('unknown-value', 'policy: "None" belongs to mode: None', 'Write security: { mode: None }');
    } else refuse('unknown-value', `policy: "${text}" is not a security policy`, `Known: ${securityPolicies.join(', ')}`);
  })
  .meta({ enum: [...securityPolicies] })
  .describe('Security policy; left out: the strongest one that the server offers for the mode');

const fingerprint = z
  .string()
  .superRefine((text, context) => {
    const hex = text.replaceAll(/[:\s]/g, '');
    if (/^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(hex)) return;
    refuser(context)(
      'opcua-fingerprint',
      `"${text}" is neither a SHA-1 nor a SHA-256 fingerprint`,
      '40 or 64 hex digits; colons are allowed',
    );
  })
  .transform((text) => text.replaceAll(/[:\s]/g, '').toLowerCase());

export const OpcuaSettings = z.strictObject({
  endpoint,
  security: z
    .strictObject({
      mode: z.enum(securityModes).default('SignAndEncrypt').describe('What the channel does to each message'),
      policy: policy.optional(),
    })
    .superRefine(({ mode, policy: named }, context) => {
      if (mode === 'None' && named !== undefined) {
        refuser(context)('opcua-policy-without-security', `policy: "${named}" has no effect with mode: None`, 'Write mode: SignAndEncrypt');
      }
    })
    .prefault({ mode: 'None' })
    .describe('Left out: an open channel, which anyone on the network can read and change'),
  user: z
    .union([
      z.literal('anonymous'),
      z.strictObject({ name: z.string().min(1), password: secretReference }),
      z.strictObject({ certificate: secretReference, key: secretReference }),
    ])
    .default('anonymous')
    .describe('anonymous, { name, password: { file | env } }, or { certificate: { file }, key: { file | env } } in PEM'),
  trust: z
    .union([z.literal('ask'), fingerprint, z.array(fingerprint).min(1)])
    .default('ask')
    .describe(
      'ask: an unknown server certificate waits until `dragoman trust` accepts it. Or the fingerprints (SHA-1 or SHA-256) that are accepted',
    ),
  timeout: duration({ min: 100, max: 600_000 }).prefault('10s').describe('Time allowed for one request'),
  connectTimeout: duration({ min: 100, max: 600_000 }).prefault('15s').describe('Time allowed for channel and session together'),
  sessionTimeout: duration({ min: 5_000, max: 86_400_000 })
    .prefault('60s')
    .describe('How long the server keeps a session whose client is silent'),
  publishingInterval: duration({ min: 10, max: 3_600_000 })
    .optional()
    .describe('How often the server ships what it sampled. Left out: the `every` of each point'),
  giveUpAfter: duration({ min: 1_000, max: 3_600_000 })
    .prefault('15s')
    .describe('A server that is silent for this long on a living connection is connected anew'),
  maxNodesPerRequest: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Quirk: most nodes in one request, for servers that state no limit or a wrong one'),
});
export type OpcuaSettings = z.infer<typeof OpcuaSettings>;
export type UserSettings = OpcuaSettings['user'];

/** `host:port` for messages. 4840 is the port that IANA gave OPC UA. */
export function hostAndPort(endpointUrl: string): string {
  const authority = /^opc\.tcp:\/\/([^/]*)/i.exec(endpointUrl)?.[1] ?? endpointUrl;
  return /:\d+$/.test(authority) ? authority : `${authority}:4840`;
}

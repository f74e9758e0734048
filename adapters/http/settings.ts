import { validateHeaderName, validateHeaderValue } from 'node:http';
import { z } from 'zod';
import { duration, secretReference } from '../../mappings/connection-keys.ts';

const refuse = (context: z.RefinementCtx, rule: string, message: string, hint?: string, path?: string[]): void =>
  context.addIssue({ code: 'custom', message, params: { rule, hint }, ...(path && { path }) });

const sizeUnits = { B: 1, kB: 1_000, KB: 1_000, MB: 1_000_000 } as const;
const largestBody = 100_000_000;

/** Written `4MB`, kept in bytes. */
const size = z.string().transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|KB|MB)$/.exec(text.trim());
  const bytes = match ? Math.round(Number(match[1]) * sizeUnits[match[2] as keyof typeof sizeUnits]) : 0;
  if (!match) refuse(context, 'http-size', `"${text}" is not a size`, 'Write a number and a unit: 200kB, 4MB');
  else if (bytes < 1 || bytes > largestBody) refuse(context, 'http-size', `${text} is outside 1B to 100MB`);
  return bytes;
});

const url = z.string().superRefine((text, context) => {
  const problem = urlProblem(text);
  if (problem) refuse(context, 'http-url', problem.message, problem.hint);
});

/** What is wrong with the base URL, or undefined. */
function urlProblem(text: string): { readonly message: string; readonly hint: string } | undefined {
  const hint = 'Write http://host:port/path; port and path may be left out';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return { message: `"${text}" does not begin with http:// or https://`, hint };
  if (scheme !== 'http' && scheme !== 'https') return { message: `${scheme}:// in "${text}": only http and https are spoken`, hint };
  const parsed = URL.parse(text);
  if (!parsed || /\s/.test(text)) return { message: `"${text}" is not a URL`, hint };
  if (parsed.username !== '' || parsed.password !== '')
    return { message: 'a user name does not belong into the URL', hint: 'Write user: name and password: { file: … } beside url' };
  if (/[?#]/.test(text))
    return { message: `"${text}" has a query or fragment`, hint: 'Write the query with the path of each point: path: /values?group=1' };
  return undefined;
}

/** Headers that the connection itself decides. */
const ownHeaders = ['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding', 'if-none-match', 'if-modified-since'];

/** Headers by which a client proves who it is. */
const secretHeader = /^(proxy-)?authorization$|^cookie$|api-?key|token|secret|password|credential/i;

const headers = z.record(z.string(), z.union([z.string(), secretReference])).superRefine((written, context) => {
  for (const [name, value] of Object.entries(written)) {
    if (ownHeaders.includes(name.toLowerCase()))
      refuse(context, 'http-header', `the header ${name} is set by the connection itself`, 'Remove it', [name]);
    else if (typeof value === 'string' && secretHeader.test(name)) {
      const hint = `Write ${name}: { file: ./secrets/key } or { env: KEY }, with the secret there`;
      refuse(context, 'http-secret', `the value of ${name} is a secret, and a mapping is read by many`, hint, [name]);
    } else if (!valid(name, typeof value === 'string' ? value : '')) {
      refuse(
        context,
        'http-header',
        `"${name}" cannot be sent as a header`,
        'Names are letters, digits and hyphens; values one line of ASCII',
        [name],
      );
    }
  }
});

export function valid(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

export const httpConnection = z
  .strictObject({
    url: url.describe('Where the paths of the points begin: http://10.20.0.60:8080/api'),
    headers: headers
      .default({})
      .describe('Sent with each request; a value may be { file } or { env }. Not sent to other hosts after a redirect'),
    user: z.string().min(1).optional().describe('User name of HTTP Basic authentication'),
    password: secretReference.optional().describe('Its password: { file: … } or { env: … }'),
    token: secretReference.optional().describe('Bearer token, in place of user and password: { file: … } or { env: … }'),
    ca: secretReference.optional().describe('Certificate authorities in PEM, where the machine has a certificate of its own making'),
    timeout: duration(100, 300_000).prefault('5s').describe('Time for one whole answer'),
    maxBody: size.prefault('4MB').describe('Longer answers are cut off and refused'),
    maxConnections: z
      .int()
      .min(1)
      .max(16)
      .default(4)
      .describe('Connections at once; paths beyond it wait. Many small servers know only a few'),
  })
  .superRefine(({ user, password, token }, context) => {
    if (user !== undefined && password === undefined)
      refuse(context, 'http-auth', `user: ${user} has no password`, 'Write password: { file: … } or { env: … }', ['user']);
    if (user === undefined && password !== undefined)
      refuse(context, 'http-auth', 'password has no user', 'Write user: name', ['password']);
    if (token !== undefined && (user !== undefined || password !== undefined))
      refuse(context, 'http-auth', 'token and user are both given', 'Keep the one that the machine asks for', ['token']);
  });
export type HttpSettings = z.output<typeof httpConnection>;

/** `10.20.0.60:8080`: where people look for the machine. */
export function hostAndPort(base: URL): string {
  return `${base.hostname}:${base.port || (base.protocol === 'https:' ? 443 : 80)}`;
}

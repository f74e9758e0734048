import { z } from 'zod';
import type { IdentityInput, TwinPatch } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import { type RolloutAction, rolloutActions } from '../deployments/rollout/contract.ts';

const text = z.string().nullish();

/** What may be said about an identity; SDKs send whole documents back, so the rest is left out of account. */
const Identity = z.object({
  deviceId: z.string().optional(),
  moduleId: z.string().optional(),
  managedBy: text,
  status: z.enum(['enabled', 'disabled']).nullish(),
  statusReason: text,
  capabilities: z.object({ iotEdge: z.boolean().nullish() }).nullish(),
  authentication: z
    .object({
      type: z.enum(['sas', 'selfSigned', 'certificateAuthority', 'none']).nullish(),
      symmetricKey: z.object({ primaryKey: text, secondaryKey: text }).nullish(),
      x509Thumbprint: z.object({ primaryThumbprint: text, secondaryThumbprint: text }).nullish(),
    })
    .nullish(),
});

const modes = ['create', 'update', 'updateIfMatchETag', 'delete', 'deleteIfMatchETag'] as const;
const Bulk = z
  .array(
    Identity.extend({
      id: z.string(),
      etag: text,
      importMode: z
        .string()
        .transform((mode) => mode.toLowerCase())
        .pipe(z.enum(modes.map((mode) => mode.toLowerCase()) as [string, ...string[]])),
    }),
  )
  .min(1)
  .max(100);

const Section = z.record(z.string(), z.unknown()).nullish();
const Twin = z.object({ tags: Section, properties: z.object({ desired: Section }).nullish() });

const seconds = z.number().min(0).max(300).nullish();
const Method = z.object({
  methodName: z.string().min(1),
  payload: z.unknown().optional(),
  responseTimeoutInSeconds: seconds,
  connectTimeoutInSeconds: seconds,
});

const Rollout = z.object({ action: z.enum(rolloutActions) });

const Query = z.object({ query: z.string() });

/** Rejects what it cannot be, as a refusal with every place that is wrong. */
function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const found = schema.safeParse(body);
  if (found.success) return found.data;
  const problems = found.error.issues.map(({ path, message }) => `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`);
  throw new RequestError('ArgumentInvalid', body === undefined ? 'the request has no JSON body' : problems.join(', '));
}

/** `names` are those of the address; a body that says other ones is refused. */
export function identityOf(body: unknown, names: { readonly deviceId: string; readonly moduleId?: string }): IdentityInput {
  const found = read(Identity, body);
  for (const key of ['deviceId', 'moduleId'] as const) {
    if (found[key] !== undefined && found[key] !== names[key]) {
      throw new RequestError('ArgumentInvalid', `${key} of the body is "${found[key]}", of the address "${names[key] ?? ''}"`);
    }
  }
  return inputOf(found, names);
}

export interface BulkEntry {
  readonly mode: 'create' | 'update' | 'delete';
  readonly input: IdentityInput;
  /** Undefined: whatever is there. Modes that ask for an etag have one. */
  readonly etag: string | undefined;
}

export function bulkOf(body: unknown): readonly BulkEntry[] {
  return read(Bulk, body).map(({ id, etag, importMode, ...rest }) => ({
    mode: importMode.replace('ifmatchetag', '') as BulkEntry['mode'],
    input: inputOf(rest, { deviceId: id, ...(rest.moduleId !== undefined && { moduleId: rest.moduleId }) }),
    etag: importMode.endsWith('ifmatchetag') ? (etag ?? '') : undefined,
  }));
}

type IdentityBody = z.infer<typeof Identity>;

/** Null means "nothing said" but for a reason, which it removes. */
function inputOf(body: Omit<IdentityBody, 'deviceId'>, names: { readonly deviceId: string; readonly moduleId?: string }): IdentityInput {
  const { status, statusReason, capabilities, managedBy, authentication } = body;
  const edge = capabilities?.iotEdge ?? undefined;
  return {
    ...names,
    ...(status && { status }),
    ...(statusReason !== undefined && { statusReason }),
    ...(edge !== undefined && { capabilities: { iotEdge: edge } }),
    ...(managedBy && { managedBy }),
    ...(authentication && {
      authentication: {
        ...(authentication.type && { type: authentication.type }),
        ...(authentication.symmetricKey && { symmetricKey: keysOf(authentication.symmetricKey) }),
        ...(authentication.x509Thumbprint && { x509Thumbprint: thumbprintsOf(authentication.x509Thumbprint) }),
      },
    }),
  };
}

const keysOf = ({ primaryKey, secondaryKey }: { primaryKey?: string | null | undefined; secondaryKey?: string | null | undefined }) => ({
  primaryKey: primaryKey ?? null,
  secondaryKey: secondaryKey ?? null,
});

const thumbprintsOf = (x509: { primaryThumbprint?: string | null | undefined; secondaryThumbprint?: string | null | undefined }) => ({
  primaryThumbprint: x509.primaryThumbprint ?? null,
  secondaryThumbprint: x509.secondaryThumbprint ?? null,
});

export function twinOf(body: unknown): TwinPatch {
  const { tags, properties } = read(Twin, body);
  const desired = properties?.desired;
  return { ...(tags !== undefined && { tags }), ...(desired !== undefined && { properties: { desired } }) };
}

export const methodOf = (body: unknown): z.infer<typeof Method> => read(Method, body);

export const rolloutActionOf = (body: unknown): RolloutAction => read(Rollout, body).action;

export const queryOf = (body: unknown): string => read(Query, body).query;

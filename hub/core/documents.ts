import { sectionOnTheWire } from '../../twin/versions.ts';
import type { Identity } from '../registry.ts';
import type { StoredTwin } from '../twins.ts';
import type { AuthenticationDocument, IdentityDocument, TwinDocument } from './contract.ts';

/** What is not in an identity's row. */
export interface Surroundings {
  readonly connected: boolean;
  readonly messageCount: number;
}

/** The service's way to say "never". */
const never = '0001-01-01T00:00:00Z';
const time = (ms: number | undefined): string => (ms === undefined ? never : new Date(ms).toISOString());

/** As `GET /devices/{id}[/modules/{id}]` gives it. */
export function identityDocument(identity: Identity, { connected, messageCount }: Surroundings): IdentityDocument {
  const { deviceId, moduleId } = identity;
  return {
    deviceId,
    ...(moduleId !== undefined && { moduleId, managedBy: identity.managedBy ?? '' }),
    generationId: identity.generationId,
    etag: identity.etag,
    connectionState: connected ? 'Connected' : 'Disconnected',
    ...(moduleId === undefined && {
      status: identity.status,
      statusReason: identity.statusReason ?? null,
      statusUpdatedTime: time(identity.statusMs),
      capabilities: { iotEdge: identity.edge },
    }),
    connectionStateUpdatedTime: time(identity.connectionMs),
    lastActivityTime: time(identity.lastActivityMs),
    cloudToDeviceMessageCount: messageCount,
    authentication: authenticationDocument(identity),
  };
}

/** As `GET /twins/{id}[/modules/{id}]` gives it. */
export function twinDocument(identity: Identity, twin: StoredTwin, { connected, messageCount }: Surroundings): TwinDocument {
  const { deviceId, moduleId } = identity;
  return {
    deviceId,
    ...(moduleId !== undefined && { moduleId }),
    etag: twin.etag,
    deviceEtag: identity.etag,
    status: identity.status,
    ...(identity.statusReason !== undefined && { statusReason: identity.statusReason }),
    statusUpdateTime: time(identity.statusMs),
    connectionState: connected ? 'Connected' : 'Disconnected',
    lastActivityTime: time(identity.lastActivityMs),
    cloudToDeviceMessageCount: messageCount,
    authenticationType: identity.authentication.type,
    x509Thumbprint: authenticationDocument(identity).x509Thumbprint,
    modelId: twin.modelId,
    version: twin.version,
    tags: twin.tags,
    properties: {
      desired: sectionOnTheWire(twin.desired, { metadata: true }),
      reported: sectionOnTheWire(twin.reported, { metadata: true }),
    },
    ...(moduleId === undefined && { capabilities: { iotEdge: identity.edge } }),
    ...(Object.keys(twin.configurations).length > 0 && { configurations: withStatus(twin.configurations) }),
  };
}

const withStatus = (statuses: StoredTwin['configurations']): NonNullable<TwinDocument['configurations']> =>
  Object.fromEntries(Object.entries(statuses).map(([id, status]) => [id, { status }]));

function authenticationDocument({ authentication }: Identity): AuthenticationDocument {
  const keys = authentication.type === 'sas' ? authentication : undefined;
  const thumbprints = authentication.type === 'selfSigned' ? authentication : undefined;
  return {
    type: authentication.type,
    symmetricKey: { primaryKey: keys?.primaryKey ?? null, secondaryKey: keys?.secondaryKey ?? null },
    x509Thumbprint: {
      primaryThumbprint: thumbprints?.primaryThumbprint || null,
      secondaryThumbprint: thumbprints?.secondaryThumbprint || null,
    },
  };
}

import { join } from 'node:path';
import { BoxCertificates } from '../../certificates/box-certificates.ts';
import { localIdentitySource } from '../../identities/local-source.ts';
import { ModuleIdentities } from '../../identities/module-identities.ts';
import { fileKeyStore } from '../../key-store.ts';
import { WorkloadApi, type WorkloadSettings } from '../workload-api.ts';

export interface Box {
  readonly identities: ModuleIdentities;
  readonly certificates: BoxCertificates;
  readonly api: WorkloadApi;
}

/** The device `gw-1` of `hub.plant`, whose modules reach its broker as `gw.plant`; all in `folder`. */
export async function openBox(folder: string, settings: Partial<WorkloadSettings> = {}): Promise<Box> {
  const store = fileKeyStore(join(folder, 'keys'));
  const deviceId = 'gw-1';
  const identities = await ModuleIdentities.open({ store, deviceId, source: localIdentitySource(deviceId) });
  const certificates = await BoxCertificates.open({ store, deviceId });
  const api = await WorkloadApi.open({
    settings: { folder: join(folder, 'w'), hubHostName: 'hub.plant', gatewayHostName: 'gw.plant', ...settings },
    identities,
    certificates,
    store,
  });
  return { identities, certificates, api };
}

import type { SessionSettings } from '../../../hub-client/azure/client.ts';
import type { Identity } from '../../../hub-client/azure/credentials.ts';

/** The hub to which this box belongs as an IoT Edge device. */
export interface EdgePlace {
  /** The device, its secrets opened. Asked for each connection and each call, so that a rotated key and another hub come into use. Rejects as a connect does. */
  device(signal: AbortSignal): Promise<Identity>;
  /** Port of the hub's REST API, now; undefined: it has none. */
  httpsPort(): number | undefined;
  readonly settings: SessionSettings;
}

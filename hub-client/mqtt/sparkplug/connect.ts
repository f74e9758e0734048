import type { HubContext, HubSession } from '../../contract.ts';
import type { MqttSettings } from '../definition.ts';
import type { Login } from '../link.ts';

export async function connectSparkplug(
  _login: Omit<Login, 'version' | 'will'>,
  _settings: MqttSettings,
  _sparkplug: NonNullable<MqttSettings['sparkplug']>,
  _context: HubContext,
  _signal: AbortSignal,
): Promise<HubSession> {
  throw new Error('not yet');
}

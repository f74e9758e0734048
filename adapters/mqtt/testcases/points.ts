import type { Finding } from '../../../mappings/language.ts';
import type { ObservedPoint } from '../../contract.ts';
import { mqtt } from '../adapter.ts';
import { type MqttAddress, MqttPoint } from '../address.ts';
import type { MqttSettings } from '../settings.ts';

/** Settings as a mapping writes them. */
export function settingsOf(written: Record<string, unknown>): MqttSettings {
  return mqtt.connection.parse(written);
}

/** A point as a mapping writes it, compiled; throws what is wrong with it. */
export function pointOf(settings: MqttSettings, name: string, { at, ...own }: Record<string, unknown>): ObservedPoint<MqttAddress> {
  const findings: Finding[] = [];
  const parsed = MqttPoint.parse(own);
  const source = { name, at: at as string | undefined, own: parsed, settings, everyMs: 1_000, write: false, bits: false };
  const compiled = mqtt.compilePoint(source, (_key, finding) => findings.push(finding));
  if (!compiled || findings.length > 0) throw new Error(`${name}: ${findings.map(({ message }) => message).join('; ')}`);
  return { name, address: compiled.address, rawType: compiled.rawType, everyMs: 1_000, staleAfterMs: 300_000 };
}

export function pointsOf(settings: MqttSettings, written: Readonly<Record<string, Record<string, unknown>>>): ObservedPoint<MqttAddress>[] {
  return Object.entries(written).map(([name, keys]) => pointOf(settings, name, keys));
}

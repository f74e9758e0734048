import type { Log, ObservedPoint } from '../../contract.ts';
import { opcua } from '../adapter.ts';
import type { OpcuaAddress } from '../address.ts';
import { OpcuaSettings } from '../settings.ts';

export function settingsFor(endpoint: string, more: Partial<Record<keyof OpcuaSettings, unknown>> = {}): OpcuaSettings {
  return OpcuaSettings.parse({ endpoint, ...more });
}

export type Written = string | (Record<string, unknown> & { readonly at: string });

/** Points as a mapping would give them: `{ speed: '/Mixer/Speed', part: { at: '…', index: 2 } }`. */
export function pointsAt(
  written: Readonly<Record<string, Written>>,
  everyMs = 200,
  staleAfterMs = everyMs * 3,
): ObservedPoint<OpcuaAddress>[] {
  const settings = settingsFor('opc.tcp://127.0.0.1');
  return Object.entries(written).map(([name, each]) => {
    const { at, ...keys } = typeof each === 'string' ? { at: each } : each;
    const own = opcua.point.parse(keys);
    const compiled = opcua.compilePoint({ name, at, own, settings, everyMs, write: false, bits: false }, (key, finding) => {
      if (finding.severity !== 'warn') throw new Error(`${name}.${key}: ${finding.message}`);
    });
    return { name, address: compiled!.address, rawType: undefined, everyMs, staleAfterMs };
  });
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

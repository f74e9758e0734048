import type { Adapter } from '../contract.ts';
import { compilePoint, type OpcuaAddress, OpcuaPoint } from './address.ts';
import { decodeGiven } from './given.ts';
import { OpcuaSettings } from './settings.ts';

/** OPC UA over opc.tcp: subscriptions, and polling where a server needs it. Loads node-opcua on `load` alone. */
export const opcua: Adapter<OpcuaSettings, OpcuaAddress> = {
  name: 'opcua',
  summary: 'OPC UA client over opc.tcp, with subscriptions',
  connection: OpcuaSettings as unknown as Adapter<OpcuaSettings>['connection'],
  point: OpcuaPoint,
  compilePoint,
  sample: decodeGiven,
  async load() {
    const { connect } = await import('./connection.ts');
    return { connect };
  },
};

import type { Command } from 'commander';
import type { Device } from '../registry.ts';
import { folderOf } from './shared.ts';

export async function create(
  deviceId: string,
  options: { x509?: string; edge?: boolean; json?: boolean },
  command: Command,
): Promise<void> {
  const [{ addDevice, openRegistry }, { connectionString }] = await Promise.all([import('../registry.ts'), import('../access.ts')]);
  const folder = folderOf(command);
  using db = openRegistry(folder);
  const device = addDevice(db, deviceId, { thumbprint: options.x509, edge: options.edge });
  if (options.json) return out(JSON.stringify(shown(device)));
  out(`created ${deviceId} (${proof(device)})`);
  out(connectionString(folder, deviceId));
}

export async function list(options: { json?: boolean }, command: Command): Promise<void> {
  const { listDevices, openRegistry } = await import('../registry.ts');
  using db = openRegistry(folderOf(command));
  const devices = listDevices(db);
  if (options.json) return out(JSON.stringify(devices.map(shown)));
  if (devices.length === 0) return out('no devices yet; make one with: dragoman hub device create ID');
  const width = Math.max(...devices.map(({ deviceId }) => deviceId.length));
  for (const device of devices) {
    out(`${device.deviceId.padEnd(width)}  ${device.status.padEnd(8)}  ${proof(device).padEnd(17)}  ${connection(device)}`);
  }
}

export async function show(deviceId: string, options: { json?: boolean }, command: Command): Promise<void> {
  const { existingDevice } = await import('../access.ts');
  const device = existingDevice(folderOf(command), deviceId);
  if (options.json) return out(JSON.stringify(shown(device)));
  out(`device      ${device.deviceId}`);
  out(`status      ${device.status}`);
  out(`proves by   ${proof(device)}`);
  if (device.authentication.type === 'selfSigned') out(`thumbprint  ${device.authentication.primaryThumbprint}`);
  out(`connection  ${connection(device)}`);
  if (device.edge) out('IoT Edge    yes');
  out(`created     ${new Date(device.createdMs).toISOString()}`);
}

export async function setEnabled(deviceId: string, enabled: boolean, command: Command): Promise<void> {
  const [{ openRegistry, setStatus }, { unknownDevice }] = await Promise.all([import('../registry.ts'), import('../access.ts')]);
  const folder = folderOf(command);
  using db = openRegistry(folder);
  if (!setStatus(db, deviceId, enabled ? 'enabled' : 'disabled')) throw unknownDevice(folder, deviceId);
  out(`${deviceId} is ${enabled ? 'enabled' : 'disabled: it may not connect, and a connection it has ends now'}`);
}

export async function edge(deviceId: string, command: Command): Promise<void> {
  const [{ makeEdge, openRegistry }, { unknownDevice }] = await Promise.all([import('../registry.ts'), import('../access.ts')]);
  const folder = folderOf(command);
  using db = openRegistry(folder);
  if (!makeEdge(db, deviceId)) throw unknownDevice(folder, deviceId);
  out(`${deviceId} is an IoT Edge device: it has $edgeAgent and $edgeHub, and takes deployments`);
}

export async function remove(deviceId: string, command: Command): Promise<void> {
  const [{ openRegistry, removeDevice }, { unknownDevice }] = await Promise.all([import('../registry.ts'), import('../access.ts')]);
  const folder = folderOf(command);
  using db = openRegistry(folder);
  if (!removeDevice(db, deviceId)) throw unknownDevice(folder, deviceId);
  out(`${deviceId} is deleted; its telemetry stays`);
}

const out = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const proof = ({ authentication }: Device): string => (authentication.type === 'sas' ? 'keys' : 'X.509 thumbprint');

function connection({ connectedSinceMs, lastActivityMs }: Device): string {
  if (connectedSinceMs !== undefined) return `connected since ${new Date(connectedSinceMs).toISOString()}`;
  return lastActivityMs === undefined ? 'never connected' : `not connected, last seen ${new Date(lastActivityMs).toISOString()}`;
}

/** Without keys: what is printed ends up in tickets. `hub connection-string` gives the key to whoever asks for it. */
function shown({ authentication, ...device }: Device): object {
  return {
    ...device,
    authentication: authentication.type === 'sas' ? { type: 'sas' } : authentication,
    connectionState: device.connectedSinceMs === undefined ? 'Disconnected' : 'Connected',
  };
}

import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { certificatesOf } from '../certificate-chain.ts';
import type { HubCore } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import { parseSas } from '../sas.ts';

/** Whether a device itself asks: with a token that names no policy, or with none but a certificate. */
export function isDevice({ headers, raw }: FastifyRequest): boolean {
  const { authorization } = headers;
  if (authorization === undefined) return certificatesOf(raw.socket as TLSSocket).length > 0;
  const token = parseSas(authorization);
  return token !== undefined && token.policy === undefined;
}

/**
 * Lets a device at the identities of its own modules, as iotedge's own daemon uses them. Undefined when it may; else why it is not the device it
 * says, or not its business. Throws a RequestError for a device that is no IoT Edge device, and for the two modules that only go with their device.
 */
export function deviceRefusal(request: FastifyRequest, path: readonly string[], core: HubCore): string | undefined {
  const [devices, deviceId, modules, moduleId] = path;
  if (devices !== 'devices' || deviceId === undefined || modules !== 'modules')
    return 'a device may read, make and delete its own modules only: /devices/{device}/modules/{module}';
  const token = request.headers.authorization;
  const wrong = core.proveDevice(deviceId, { token, certificates: () => certificatesOf(request.raw.socket as TLSSocket) });
  if (wrong !== undefined) return wrong;
  if (!core.identities.get({ deviceId })?.capabilities?.iotEdge) {
    const text = `device ${deviceId} is no IoT Edge device, so it makes no modules: dragoman hub device edge ${deviceId} makes it one (in the portal of Azure: IoT Edge, Add)`;
    throw new RequestError('ArgumentInvalid', text);
  }
  if (request.method === 'DELETE' && moduleId?.startsWith('$'))
    throw new RequestError('ArgumentInvalid', `${moduleId} goes with its device only`);
  return undefined;
}

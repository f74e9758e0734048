import { GatewayError } from '../../model/error.ts';

/** What the connection string of a device says. */
export interface DeviceConnectionString {
  /** Name of the hub, without a port. */
  readonly hub: string;
  /** Where to connect: the gateway host when there is one, else the hub. */
  readonly host: string;
  readonly port: number;
  readonly deviceId: string;
  /** Base64; absent for X.509. */
  readonly sharedAccessKey: string | undefined;
  readonly x509: boolean;
}

export const defaultPort = 8883;

const where = 'Azure portal, the hub, Devices, the device, "Primary connection string"';

/**
 * Reads `HostName=…;DeviceId=…;SharedAccessKey=…|x509=true[;GatewayHostName=…]`. Keys are case-insensitive, their order is free;
 * both host names may carry `:port`. Throws a GatewayError `connection-string`; its text never contains the key.
 */
export function parseConnectionString(text: string): DeviceConnectionString {
  const fields = splitFields(text);
  refuseOthers(fields);
  const hubAddress = parseHost(need(fields, 'HostName'), 'HostName');
  const deviceId = need(fields, 'DeviceId');
  const wrongId = deviceIdProblem(deviceId);
  if (wrongId) throw wrong(`DeviceId ${wrongId}`);
  const gateway = fields.get('gatewayhostname');
  const { host, port } = gateway === undefined ? hubAddress : parseHost(gateway, 'GatewayHostName');
  const sharedAccessKey = fields.get('sharedaccesskey');
  const x509 = fields.get('x509')?.toLowerCase() === 'true';
  if (sharedAccessKey === undefined && !x509) throw wrong('has neither SharedAccessKey nor x509=true');
  if (sharedAccessKey !== undefined && x509) throw wrong('has both SharedAccessKey and x509=true; keep the one that the device uses');
  return { hub: hubAddress.host, host, port, deviceId, sharedAccessKey, x509 };
}

/** `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`. Throws a GatewayError that names `field`. */
export function parseHost(text: string, field: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) {
    const scheme = /^[a-z]+:\/\//i.test(text) ? ', without a scheme' : '';
    throw wrong(`${field} "${text}" is not a host name; write name or name:port${scheme}`);
  }
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) throw wrong(`${field} "${text}": ${port} is not a port (1 to 65535)`);
  return { host, port };
}

/** What is wrong with a device id, or undefined. IoT Hub: up to 128 of ASCII alphanumeric and `- . % _ * ? ! ( ) , : = @ $ '`. */
export function deviceIdProblem(id: string): string | undefined {
  if (id.length === 0) return 'is empty';
  if (id.length > 128) return `has ${id.length} characters; 128 are allowed`;
  if (/[+#]/.test(id)) return `"${id}" contains + or #, which no MQTT topic can carry (MQTT 3.1.1 §4.7)`;
  const bad = /[^A-Za-z0-9\-.%_*?!(),:=@$']/u.exec(id);
  return bad ? `"${id}" contains "${bad[0]}"; allowed are letters, digits and - . % _ * ? ! ( ) , : = @ $ '` : undefined;
}

function splitFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const cleaned = text
    .replace(/^\uFEFF/, '')
    .trim()
    .replace(/^(["'])(.*)\1$/s, '$2');
  if (cleaned === '') throw wrong('is empty');
  for (const part of cleaned.split(';')) {
    if (part.trim() === '') continue;
    // Values contain "=" themselves: base64 padding.
    const equals = part.indexOf('=');
    if (equals < 1) throw wrong('has a part without "Key="; the parts are separated by ";"');
    const name = part.slice(0, equals).trim().toLowerCase();
    if (fields.has(name)) throw wrong(`has ${part.slice(0, equals).trim()} twice`);
    fields.set(name, part.slice(equals + 1).trim());
  }
  return fields;
}

/** People paste the wrong one of four strings that look alike. */
function refuseOthers(fields: ReadonlyMap<string, string>): void {
  if (fields.has('endpoint')) throw wrong('is one of the Event Hubs endpoint, which reads telemetry; a device needs its own');
  if (fields.has('sharedaccesskeyname')) {
    const policy = fields.get('sharedaccesskeyname');
    throw wrong(`is one of the hub's policy "${policy}", which may manage the whole hub; a gateway needs the one of its own device`);
  }
  if (fields.has('moduleid')) throw wrong('is one of a module; a gateway connects as a device');
  if (fields.has('accountname') || fields.has('accountkey')) throw wrong('is one of a storage account');
}

function need(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name.toLowerCase());
  if (value === undefined || value === '') throw wrong(`has no ${name}`);
  return value;
}

function wrong(what: string): GatewayError {
  return new GatewayError('connection-string', `The connection string ${what}.`, {
    retry: 'after-fix',
    hint: `It looks like HostName=…;DeviceId=…;SharedAccessKey=… and is found in: ${where}.`,
  });
}

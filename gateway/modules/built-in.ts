import type { RoutedMessage } from '../../deployments/contract.ts';
import { GatewayError } from '../../model/error.ts';
import { printable, WriteInput } from '../control/methods.ts';
import type { WritePath } from '../control/write-path.ts';
import type { EventTap } from '../telemetry-builder.ts';

/** The gateway itself among the modules of routes. Its readings reach the hub by the outbox, so routes bring them to inputs only. */
export const builtInModule = 'dragoman';

const output = (name: string): string => `/messages/modules/${builtInModule}/outputs/${name}`;

export interface BuiltInParts {
  readonly deviceId: string;
  /** Whether a route leads messages of this source to a module. */
  readonly wants: (source: string) => boolean;
  /** Resolves when it waits on disk wherever routes lead it. */
  readonly inject: (message: RoutedMessage) => Promise<void>;
  /** Told of readings that a module will not get: there was no room, or no disk. */
  readonly lost: (equipment: string, error: Error) => void;
}

/**
 * Readings as messages of the module `dragoman`: output the id of the machine, properties `equipment`, `path` and `message`, body the CloudEvent that
 * the hub gets. In the order of the outbox, for each machine.
 */
export function readingsTap(parts: BuiltInParts): EventTap {
  return {
    wants: (equipment) => parts.wants(output(equipment)),
    take({ equipment, path, message }, text) {
      const routed: RoutedMessage = {
        source: output(equipment),
        body: Buffer.from(text),
        properties: { equipment, ...(path !== '' && { path }), ...(message && { message: message.name }) },
        system: system(parts.deviceId, equipment, 'dragoman.telemetry.v1'),
      };
      parts.inject(routed).catch((error: Error) => parts.lost(equipment, error));
    },
  };
}

/**
 * What comes to `BrokeredEndpoint("/modules/dragoman/inputs/write")`: one write as JSON, `{ "equipment", "point", "value", "key"?, "expires"?, "priority"?,
 * "dryRun"? }`, past all guards. Its report leaves as output `writes`, properties `outcome`, `module` and `key`. `id` names the message, the same when
 * it comes again after a crash: it is not written twice. Rejects with a GatewayError `never` when it cannot be read.
 */
export function writeHandler(
  writes: Pick<WritePath, 'write'>,
  parts: Pick<BuiltInParts, 'deviceId' | 'inject'>,
): (message: RoutedMessage, id: string) => Promise<void> {
  return async (message, id) => {
    const module = message.system.connectionModuleId ?? 'unknown';
    const { key, expires, priority, dryRun, ...wanted } = writeOf(message, module);
    const named = `module ${module} ${key ?? `message ${id}`}`.slice(0, 200);
    const report = await writes.write({
      ...wanted,
      who: `module ${module}`,
      from: 'module',
      key: named,
      ...(expires !== undefined && { expiresMs: expires }),
      ...(priority && { priority }),
      ...(dryRun !== undefined && { dryRun }),
    });
    await parts.inject({
      source: output('writes'),
      body: Buffer.from(JSON.stringify({ equipment: wanted.equipment, point: wanted.point, ...printable(report) })),
      properties: { outcome: report.outcome, module, equipment: wanted.equipment, ...(key !== undefined && { key }) },
      system: {
        ...system(parts.deviceId, 'writes', 'dragoman.write.v1'),
        ...(message.system.messageId !== undefined && { correlationId: message.system.messageId }),
      },
    });
  };
}

function writeOf({ body }: RoutedMessage, module: string) {
  const refuse = (what: string): GatewayError =>
    new GatewayError('write-message', `a message of module ${module} to dragoman's input write cannot be read: ${what}`, {
      retry: 'never',
      hint: 'send JSON such as {"equipment": "cooker-1", "point": "setpoint", "value": 95}',
    });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  const parsed = WriteInput.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refuse(parsed.error.issues.map(({ path, message }) => `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`).join('; '));
}

const system = (deviceId: string, outputName: string, type: string): Readonly<Record<string, string>> => ({
  connectionDeviceId: deviceId,
  connectionModuleId: builtInModule,
  outputName,
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  messageSchema: type,
});

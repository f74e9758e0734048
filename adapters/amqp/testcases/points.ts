import type { ObservedPoint } from '../../contract.ts';
import { type AmqpAddress, compileAmqpPoint } from '../address.ts';
import { type AmqpSettings, amqpConnection } from '../settings.ts';

/** The connection block as an engineer writes it, parsed. */
export function settingsOf(written: Record<string, unknown>): AmqpSettings {
  return amqpConnection.parse(written);
}

/** A point as an engineer writes it, compiled. */
export function point(
  name: string,
  address: string,
  at: string | undefined,
  own: Record<string, unknown> = {},
): ObservedPoint<AmqpAddress> {
  const problems: string[] = [];
  const compiled = compileAmqpPoint(
    {
      name,
      at,
      own: { ...own, address },
      settings: settingsOf({ host: 'localhost' }),
      everyMs: 1_000,
      write: false,
      bits: false,
    },
    (key, { message }) => problems.push(`${key}: ${message}`),
  );
  if (!compiled) throw new Error(problems.join('; '));
  return { name, address: compiled.address, rawType: compiled.rawType, everyMs: 1_000, staleAfterMs: 300_000 };
}

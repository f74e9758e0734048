import { type DestinationStream, type Logger, pino } from 'pino';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Fields that may hold a secret, wherever they stand. */
const secretFields = ['password', 'key', 'sharedAccessKey', 'connectionString', 'token', 'privateKey', 'passphrase'];

/** JSON lines on stderr; what a person asked for goes to stdout. Secrets are redacted here, once, for everybody. */
export function createLog(level: LogLevel, destination: DestinationStream = process.stderr): Logger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    destination,
  );
}

import type { Command } from 'commander';
import { folderOf, print } from './shared.ts';

interface Options {
  readonly device?: string;
  readonly policy?: string;
  readonly messages?: boolean;
  readonly events?: boolean;
}

export async function printConnectionString({ device, policy, messages, events }: Options, command: Command): Promise<void> {
  if ((device === undefined) === (policy === undefined))
    command.error('name a device with --device, or a policy with --policy', { exitCode: 2 });
  if (policy === undefined && (messages || events)) command.error('--messages and --events belong to --policy', { exitCode: 2 });
  const { connectionString, serviceConnectionString } = await import('../access.ts');
  const hosts = command.optsWithGlobals().host as readonly string[] | undefined;
  const folder = folderOf(command);
  const text =
    policy === undefined
      ? connectionString(folder, device as string, hosts?.[0])
      : serviceConnectionString(folder, policy, events ? 'events' : messages ? 'amqp' : 'rest', hosts?.[0]);
  await print(text);
}

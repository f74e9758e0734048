import type { Command } from 'commander';
import { HubError } from '../error.ts';
import { callHub } from './rest-call.ts';
import { folderOf, print, twinPath } from './shared.ts';

interface OfModule {
  readonly module?: string;
}

export async function method(
  id: string,
  name: string,
  payload: string | undefined,
  options: OfModule & { readonly timeout?: number; readonly connectTimeout?: number; readonly json?: boolean },
  command: Command,
): Promise<void> {
  const body = {
    methodName: name,
    payload: payload === undefined ? null : parsed(payload, command),
    ...(options.timeout !== undefined && { responseTimeoutInSeconds: options.timeout / 1000 }),
    ...(options.connectTimeout !== undefined && { connectTimeoutInSeconds: options.connectTimeout / 1000 }),
  };
  const answer = (await callHub(folderOf(command), {
    method: 'POST',
    path: `/twins/${twinPath(id, options.module, command)}/methods`,
    body,
  })) as {
    readonly status: number;
    readonly payload: unknown;
  };
  await print(options.json ? JSON.stringify(answer) : JSON.stringify(answer.payload, undefined, 2));
  if (answer.status >= 200 && answer.status < 300) return;
  throw new HubError('method-refused', `${id} answered ${name} with status ${answer.status}`, { retry: 'never' });
}

export async function send(
  id: string,
  text: string,
  options: { readonly property?: Readonly<Record<string, string>> },
  command: Command,
): Promise<void> {
  const to = `/devices/${encodeURIComponent(id)}/messages/devicebound`;
  const properties = Object.entries(options.property ?? {}).map(([key, value]) => [`iothub-app-${key}`, value]);
  await callHub(folderOf(command), {
    method: 'POST',
    path: '/messages/devicebound',
    headers: { 'iothub-to': to, ...Object.fromEntries(properties) },
    text,
  });
  await print(`the message waits for ${id}`);
}

function parsed(text: string, command: Command): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return command.error(`the payload is not JSON: ${(error as Error).message}`, { exitCode: 2 });
  }
}

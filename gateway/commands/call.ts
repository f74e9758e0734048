import { resolve } from 'node:path';
import { callGateway } from '../api/access.ts';

/** `dragoman call NAME [PAYLOAD]`: a direct method of the gateway on this machine. 1 when it says no, 2 when the payload is no JSON. */
export async function call(name: string, payload: string | undefined, options: { data: string }): Promise<number> {
  let parsed: unknown;
  try {
    parsed = payload === undefined ? undefined : JSON.parse(payload);
  } catch (error) {
    process.stderr.write(
      `the payload is not JSON: ${(error as Error).message}\n  write it in quotes: dragoman call read '{"equipment":"cooker-1"}'\n`,
    );
    return 2;
  }
  const result = await callGateway(resolve(options.data), name, parsed);
  process.stdout.write(`${JSON.stringify(result.payload, undefined, 2)}\n`);
  return result.status < 300 ? 0 : 1;
}

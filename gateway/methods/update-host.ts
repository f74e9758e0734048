import { spawn } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { MethodRefusal } from './methods.ts';

export interface HostUpdateSettings {
  /** Absolute paths. */
  readonly script: string;
  /** Ed25519 public key, PEM; the signature lies beside the script, `SCRIPT.sig`, 64 bytes or their base64. */
  readonly signer: string;
  readonly timeoutMs: number;
}

export interface HostUpdateState {
  readonly state: 'running' | 'done' | 'failed';
  readonly startedMs: number;
  /** 0 to 100, as the script says it. */
  readonly progress: number;
  /** The last line that the script wrote for people. */
  readonly text: string;
  readonly exitCode?: number;
}

const longestText = 500;

/** Throws a MethodRefusal when the script is not exactly what the signer signed. Gives what was checked, so that nothing else is run. */
export async function checkedScript({ script, signer }: HostUpdateSettings): Promise<Buffer> {
  const [body, signature, key] = await Promise.all([read(script, 'script'), read(`${script}.sig`, 'signature'), read(signer, 'signer')]);
  const bytes = signature.length === 64 ? signature : Buffer.from(signature.toString('latin1').trim(), 'base64');
  let sound = false;
  try {
    const publicKey = createPublicKey(key);
    sound = publicKey.asymmetricKeyType === 'ed25519' && verify(undefined, body, publicKey, bytes);
  } catch {
    // Not a key, or not a signature: not sound.
  }
  if (sound) return body;
  throw new MethodRefusal(409, 'update-signature', `${script} is not signed by ${signer}; it was not run`, {
    hint: 'sign it again: openssl pkeyutl -sign -rawin -inkey signer.key -in SCRIPT -out SCRIPT.sig',
  });
}

async function read(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new MethodRefusal(503, 'update-files', `update-host: the ${what} ${file} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * Runs the script by its own first line's interpreter through /bin/sh -s: what runs is what was checked, whatever happens to the file meanwhile.
 * Lines `progress: 40 installing` tell how far it is; the other lines are for people. `onChange` is called at each.
 */
export async function runHostUpdate(
  body: Buffer,
  settings: HostUpdateSettings,
  parameters: Readonly<Record<string, string>>,
  onChange: (state: HostUpdateState) => void,
): Promise<HostUpdateState> {
  const startedMs = Date.now();
  let state: HostUpdateState = { state: 'running', startedMs, progress: 0, text: '' };
  const change = (next: Partial<HostUpdateState>): void => {
    state = { ...state, ...next };
    onChange(state);
  };
  change({});
  const variables = Object.fromEntries(Object.entries(parameters).map(([key, value]) => [`UPDATE_${key.toUpperCase()}`, value]));
  const child = spawn('/bin/sh', ['-s'], {
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', ...variables },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: settings.timeoutMs,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => {});
  child.stdin.end(body);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      const [, percent, text] = /^progress:\s*(\d{1,3})\s*(.*)$/.exec(line) ?? [];
      if (percent !== undefined) change({ progress: Math.min(100, Number(percent)), ...(text && { text: text.slice(0, longestText) }) });
      else if (line.trim() !== '') change({ text: line.slice(0, longestText) });
    });
  }
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('error', (error) => {
      change({ text: error.message });
      resolve([127, null]);
    });
    child.once('close', (exit, by) => resolve([exit, by]));
  });
  if (code === 0) change({ state: 'done', progress: 100, exitCode: 0 });
  else
    change({
      state: 'failed',
      exitCode: code ?? -1,
      ...(signal !== null && { text: `ended by ${signal}; it may run ${settings.timeoutMs / 1000} s` }),
    });
  return state;
}

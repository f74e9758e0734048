import { createInterface } from 'node:readline/promises';
import { type Readable, Writable } from 'node:stream';
import { scopePattern } from '../../hub-client/azure/dps/settings.ts';
import { gatewayIdFrom, nameOfMachine, type Wanted } from './box.ts';

export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/** Asks for what the flags leave open. Resolves with undefined when the person gives up (end of input). */
export async function askFor(wanted: Wanted, { input, output }: Terminal): Promise<Wanted | undefined> {
  let hidden = false;
  const screen = new Writable({
    write(chunk, _encoding, done) {
      // What is typed comes back through here; a key must not stay on the screen.
      if (hidden) done();
      else output.write(chunk, () => done());
    },
  });
  const lines = createInterface({ input, output: screen, terminal: true, historySize: 0 });
  const gone = new AbortController();
  lines.on('close', () => gone.abort());
  lines.on('SIGINT', () => lines.close());
  const ask = async (question: string): Promise<string> => (await lines.question(question, { signal: gone.signal })).trim();
  const askHidden = async (question: string): Promise<string> => {
    output.write(question);
    hidden = true;
    try {
      return await ask('');
    } finally {
      hidden = false;
      output.write('\n');
    }
  };
  try {
    let { idScope, registrationId } = wanted;
    while (idScope === undefined || !scopePattern.test(idScope)) idScope = await ask('ID scope of the provisioning service (0ne…): ');
    const byCertificate = wanted.certificate !== undefined;
    if (registrationId === undefined && !byCertificate) {
      const proposal = wanted.gateway?.toLowerCase() ?? nameOfMachine();
      registrationId = (await ask(`Registration id of this gateway [${proposal}]: `)) || proposal;
    }
    const known: Wanted = { ...wanted, idScope, ...(registrationId !== undefined && { registrationId }) };
    const named = wanted.gateway === undefined && registrationId !== undefined ? await askNames(known, registrationId, ask) : known;
    if (byCertificate || wanted.keyFile !== undefined || wanted.groupKeyFile !== undefined) return named;
    let key = '';
    while (key === '') key = await askHidden('Key of the enrolment, base64 (it is not shown): ');
    const kind = await ask('Is it the key of a group, from which that of this device is derived? y/n [n]: ');
    return { ...named, key, isGroupKey: /^y/i.test(kind) };
  } catch (error) {
    if (gone.signal.aborted) return undefined;
    throw error;
  } finally {
    lines.close();
  }
}

async function askNames(wanted: Wanted, registrationId: string, ask: (question: string) => Promise<string>): Promise<Wanted> {
  const proposal = gatewayIdFrom(registrationId);
  const gateway = (await ask(`Id of this gateway in its messages [${proposal}]: `)) || proposal;
  const path = wanted.path ?? (await ask('Where it stands, enterprise/site (may be empty): '));
  return { ...wanted, gateway, path };
}

import { webcrypto as crypto, KeyObject, X509Certificate } from 'node:crypto';
// The x509 library needs this polyfill before it loads.
import 'reflect-metadata';
import { BasicConstraintsExtension, type Extension, X509CertificateGenerator } from '@peculiar/x509';
import { expect, test } from 'vitest';
import { tempFolder } from '../test/support/temp.ts';
import { chainsTo, commonNameOf } from './certificate-chain.ts';
import { silentLog } from './log.ts';
import { addAuthority, openRegistry } from './registry.ts';
import { startHub } from './server.ts';
import { connectSimulatedDevice } from './simulator.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const nowMs = Date.now();

interface Made {
  readonly name: string;
  readonly pem: string;
  readonly der: Buffer;
  readonly keys: crypto.CryptoKeyPair;
}

async function make(name: string, issuer: Made | undefined, { ca = false, days = 1 } = {}): Promise<Made> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as crypto.CryptoKeyPair;
  const extensions: Extension[] = [new BasicConstraintsExtension(ca)];
  const certificate = await X509CertificateGenerator.create({
    subject: [{ O: ['Candyco'] }, { CN: [name] }],
    issuer: [{ O: ['Candyco'] }, { CN: [issuer?.name ?? name] }],
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - 2 * 86_400_000),
    notAfter: new Date(nowMs + days * 86_400_000),
    extensions,
  });
  return { name, pem: certificate.toString('pem'), der: Buffer.from(certificate.rawData), keys };
}

const root = await make('root', undefined, { ca: true });
const middle = await make('middle', root, { ca: true });
const leaf = await make('gw-1', middle);
const notCa = await make('not a ca', root);
const forged = await make('forged', notCa);
const oldMiddle = await make('old', root, { ca: true, days: -1 });
const underOld = await make('under old', oldMiddle);
const foreignRoot = await make('root', undefined, { ca: true });

test.for([
  { rule: 'over an issuer that the client sent along', chain: [leaf, middle], known: [root], proven: true },
  { rule: 'over the root sent along, too', chain: [leaf, middle, root], known: [root], proven: true },
  { rule: 'by an issuer that is known itself', chain: [leaf], known: [middle], proven: true },
  { rule: 'not without the issuer between', chain: [leaf], known: [root], proven: /no authority that is known here/ },
  { rule: 'not by a certificate that is no CA', chain: [forged, notCa], known: [root], proven: /no authority that is known here/ },
  { rule: 'not by another root of the same name', chain: [leaf, middle], known: [foreignRoot], proven: /no authority that is known here/ },
  {
    rule: 'not over an issuer that has expired',
    chain: [underOld, oldMiddle],
    known: [root],
    proven: /the certificate of old is valid from/,
  },
  { rule: 'not with nothing', chain: [], known: [root], proven: /showed none/ },
  { rule: 'not by nobody', chain: [leaf, middle], known: [], proven: /no authority that is known here/ },
])('$rule', ({ chain, known, proven }) => {
  const found = chainsTo(
    chain.map(({ der }) => der),
    known.map(({ pem }) => pem),
    nowMs,
  );
  if (proven === true) expect(found).toMatchObject({ commonName: 'gw-1', authority: known[0]?.pem });
  else expect(found).toMatch(proven as RegExp);
});

test('the name is the last CN of the subject; garbage is no certificate', () => {
  expect(commonNameOf(new X509Certificate(leaf.pem))).toBe('gw-1');
  expect(chainsTo([Buffer.from('garbage')], [root.pem], nowMs)).toMatch(/showed none/);
  expect(chainsTo([leaf.der, Buffer.from('garbage'), middle.der], ['garbage', root.pem], nowMs)).toMatchObject({ commonName: 'gw-1' });
});

test('a device that sends its issuer along in the TLS handshake is let in', async () => {
  using folder = tempFolder();
  await using hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
  await hub.core.identities.create({ deviceId: 'gw-1', authentication: { type: 'certificateAuthority' } });
  {
    using db = openRegistry(folder.path);
    addAuthority(db, 'plant', root.pem);
    expect(() => addAuthority(db, 'leaf', leaf.pem)).toThrow(/not the certificate of a certificate authority/);
  }
  const key = KeyObject.from(leaf.keys.privateKey).export({ type: 'pkcs8', format: 'pem' }) as string;
  const code = async (cert: string): Promise<number | undefined> => {
    const ends = { port: hub.mqttPort, ca: hub.caPem as string, deviceId: 'gw-1' };
    await using client = await connectSimulatedDevice({ ...ends, certificate: { cert, key } });
    return client.connack.returnCode;
  };
  expect(await code(`${leaf.pem}\n${middle.pem}`)).toBe(0);
  expect(await code(leaf.pem)).toBe(5);
});

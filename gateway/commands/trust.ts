import { writeFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import {
  exportOwnCertificate,
  listServerCertificates,
  ownCertificateFacts,
  rejectCertificate,
  type ServerCertificate,
  trustCertificate,
} from '../../adapters/opcua/trust.ts';
import { noteFromCommand } from '../audit/note.ts';

/** `dragoman trust`: works on the files of the gateway, running or not. */
export async function trust(
  fingerprint: string | undefined,
  options: { data: string; reject?: boolean; export?: string; json?: boolean },
): Promise<number> {
  const folder = join(options.data, 'state', 'opcua');
  if (options.export !== undefined) {
    await writeFile(options.export, await exportOwnCertificate(folder, options.export.endsWith('.pem') ? 'pem' : 'der'));
    process.stdout.write(`our certificate is in ${options.export}\n`);
    return 0;
  }
  if (fingerprint !== undefined) {
    const certificate = await (options.reject ? rejectCertificate : trustCertificate)(folder, fingerprint);
    process.stdout.write(`${options.reject ? 'refused' : 'trusted'}: ${certificate.subject}\n  SHA-1 ${colons(certificate.sha1)}\n`);
    await noteFromCommand(options.data, {
      kind: 'trust',
      action: options.reject ? 'refuse certificate' : 'trust certificate',
      who: `${userInfo().username}@${hostname()}`,
      from: 'command',
      target: `${certificate.subject} ${colons(certificate.sha1)}`,
      outcome: 'done',
    }).catch((error: Error) => void process.stderr.write(`it is done, but stands in no audit log: ${error.message}\n`));
    if (!options.reject) process.stdout.write('A running gateway connects at its next attempt, within 15 s.\n');
    return 0;
  }
  const own = await ownCertificateFacts(folder);
  const servers = await listServerCertificates(folder);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ own, servers }, undefined, 2)}\n`);
    return 0;
  }
  if (own) {
    process.stdout.write(`our own certificate\n${facts(own)}\n`);
  } else process.stdout.write('our own certificate: none yet; it is made at the first connection to an OPC UA server\n');
  if (servers.length === 0) process.stdout.write('\nno server has shown a certificate yet\n');
  for (const server of servers) {
    process.stdout.write(`\n${server.state}${server.endpoint ? `  ${server.endpoint}` : ''}\n${facts(server)}\n`);
    if (server.state === 'pending')
      process.stdout.write(
        `  compare the fingerprint with the one the server shows, then: dragoman trust ${server.sha1.replaceAll(':', '').slice(0, 8).toLowerCase()}\n`,
      );
  }
  return 0;
}

function facts(certificate: Pick<ServerCertificate, 'subject' | 'sha1' | 'sha256' | 'applicationUri' | 'validTo'>): string {
  return [
    `  subject      ${certificate.subject}`,
    ...(certificate.applicationUri ? [`  application  ${certificate.applicationUri}`] : []),
    `  valid until  ${certificate.validTo.toISOString().slice(0, 10)}`,
    `  SHA-1        ${colons(certificate.sha1)}`,
    `  SHA-256      ${colons(certificate.sha256)}`,
  ].join('\n');
}

/** As servers and browsers show them. */
function colons(hex: string): string {
  return hex.toUpperCase().replace(/..(?=.)/g, '$&:');
}

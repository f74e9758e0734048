import { z } from 'zod';
import { pemPath, privateKey, secret } from '../../delivery/setting.ts';

/** As the service takes them; it does not tell upper from lower case, but a key derived from one fits the other no more. */
export const registrationPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
export const scopePattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export const globalEndpoint = 'global.azure-devices-provisioning.net';

export const DpsSettings = z
  .strictObject({
    idScope: z.string().regex(scopePattern, 'an ID scope such as 0ne00ABCDEF').describe('ID scope, as the portal shows it: 0ne…'),
    registrationId: z
      .string()
      .regex(registrationPattern, 'letters, digits and - . _ :, at most 128')
      .optional()
      .describe('Default: the common name of the certificate, or the id of the gateway in lower case'),
    key: secret('key').optional().describe('Key of the enrolment of this device, or the one derived for it from the key of a group'),
    groupKey: secret('key of the group')
      .optional()
      .describe('Key of an enrolment group; the key of this device is derived from it. It opens the whole group: better keep `key` here'),
    certificate: pemPath('certificate').optional().describe('PEM file with the certificate of the device, chain included'),
    privateKey: privateKey().optional().describe('Private key of the certificate, PEM'),
    endpoint: z
      .string()
      .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/, 'a host name, or name:port, without a scheme')
      .default(globalEndpoint)
      .describe('Host of the provisioning service, with :port where it is not 8883'),
    ca: pemPath('ca').optional().describe('PEM file with the root of a private provisioning service; default: `ca` of the hub'),
  })
  .superRefine(({ key, groupKey, certificate, privateKey: own }, context) => {
    const problem = (at: string, message: string): void => void context.addIssue({ code: 'custom', path: [at], message });
    const proofs = [key && 'key', groupKey && 'groupKey', certificate && 'certificate'].filter((one) => one !== undefined);
    if (proofs.length === 0) problem('key', 'say how the device proves itself: key, groupKey, or certificate and privateKey');
    if (proofs.length > 1) problem(proofs[1]!, `${proofs.join(' and ')} are given; keep one of them`);
    if (certificate && !own) problem('privateKey', 'a certificate needs its private key');
    if (own && !certificate) problem('certificate', 'a private key needs its certificate');
  });
export type DpsSettings = z.infer<typeof DpsSettings>;

import { z } from 'zod';
import { ModulePolicy } from '../../deployments/engine/policy.ts';
import { duration, listen } from '../scalars.ts';

const texts = (what: string) => z.array(z.string().min(1)).default([]).describe(what);

/** `modules:` of dragoman.yaml. Absent: this gateway runs none, and loads nothing for it. */
export const ModulesSettings = z.strictObject({
  engine: z
    .string()
    .regex(/^(unix:\/\/\/|tcp:\/\/|\/)/, 'unix:///var/run/docker.sock or tcp://host:2376')
    .optional()
    .describe('Where the container engine answers; default: what DOCKER_HOST says, else the sockets of Docker and podman'),
  engineTls: z.string().optional().describe('Folder with ca.pem, cert.pem and key.pem, for tcp://'),
  network: z.string().min(1).default('azure-iot-edge').describe('Network of the containers; made when it is missing'),
  hostName: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, 'a host name')
    .optional()
    .describe('Name by which modules reach this gateway; default: the id of the gateway, in lower case'),
  hostAddress: z
    .string()
    .min(1)
    .default('host-gateway')
    .describe('Address that containers get for hostName; dns: none, the network knows the name'),
  aliases: texts('More names and addresses in the certificate of the broker'),
  broker: z
    .strictObject({
      listen: listen.prefault('0.0.0.0:8883').describe('MQTT over TLS for modules; the SDKs look at 8883 only'),
      https: z
        .union([z.int().min(0).max(65535), z.literal(false)], { error: 'a port, or false' })
        .default(false)
        .describe('Port for calls of methods between modules; the SDKs look at 443 only'),
    })
    .prefault({}),
  sockets: z.string().optional().describe('Folder for the sockets of modules; default: modules/sockets below data; its path must be short'),
  mountFrom: z
    .string()
    .optional()
    .describe('The folder of the sockets as the engine sees it; default: the engine is asked where the gateway is in a container itself'),
  images: z
    .strictObject({
      folder: z.string().optional().describe('Images as files (docker save, OCI archives), for plants without a registry'),
      signatures: z.string().optional().describe('Folder of signatures; default: images.folder'),
      signers: z
        .record(z.string().min(1), z.string().min(1))
        .default({})
        .describe('Who may sign images: name and public key (PEM file). With signers or digests, nothing else runs'),
      digests: texts('sha256:… of images that may run'),
    })
    .prefault({}),
  policy: ModulePolicy.prefault({}).describe('What createOptions of modules may ask for; empty: what a container can do to itself'),
  healthyWithin: duration(1_000, 3_600_000).prefault('60s').describe('A new container that is not well by then is taken back'),
  settleFor: duration(0, 600_000).prefault('10s').describe('How long one without HEALTHCHECK must run to count as well'),
});
export type ModulesSettings = z.output<typeof ModulesSettings>;

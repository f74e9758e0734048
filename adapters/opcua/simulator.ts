import { createServer } from 'node:net';
import { join } from 'node:path';
import { type DataType as DataTypeNumber, type StatusCode, StatusCodes, VariantArrayType } from 'node-opcua-client';
import { OPCUAServer, type OPCUAServerOptions } from 'node-opcua-server';
import { GatewayError } from '../../model/error.ts';
import { type BuiltInType, ua } from './built-in-types.ts';
import { type Identity, readOrMake } from './identity.ts';
import { MessageSecurityMode, SecurityPolicy } from './library.ts';

/** A value that a simulated machine offers, read-only unless said. */
export interface SimulatedVariable {
  /** String node id in the machine's namespace: `Mixer.Speed`. Also its browse path, one folder for each part before a dot. */
  readonly id: string;
  readonly type: BuiltInType;
  /** As node-opcua takes it: 64-bit integers as a bigint, an array for `isArray`. */
  readonly value: unknown;
  readonly isArray?: boolean;
  /** Clients may write it. */
  readonly writable?: boolean;
  readonly description?: string;
}

export interface SimulatorOptions {
  readonly port: number;
  /** Where the server listens; 127.0.0.1 by default. An endpoint without security is offered on loopback alone. */
  readonly host?: string;
  /** Keeps the server's certificate, so that it stays the same over restarts. */
  readonly folder: string;
  readonly namespace: string;
  /** Namespaces that stand before the machine's own, as after an update of the machine: every index moves. */
  readonly namespacesBefore?: readonly string[];
  readonly variables: readonly SimulatedVariable[];
  /** Put into each namespace before ours under the same node ids: what a client gets who trusts an index. */
  readonly decoys?: readonly SimulatedVariable[];
  /** Offer Sign and SignAndEncrypt with every current policy; true by default. */
  readonly secure?: boolean;
  /** Fingerprints (SHA-1, hex) of clients that are let in on secure endpoints; absent: all are. */
  readonly trustedClients?: readonly string[];
  /** User name and password; with them, anonymous access is off. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly maxNodesPerRead?: number;
  readonly maxMonitoredItemsPerCall?: number;
  readonly maxNodesPerTranslate?: number;
}

export interface Simulator extends AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
  /** The server's own certificate. */
  readonly identity: Identity;
  /** Adds a variable while clients are connected, as a PLC does that fills its address space late. */
  add(variable: SimulatedVariable): void;
  /** Makes the machine hold another value, with a status and a source time of its own. */
  set(id: string, value: unknown, status?: StatusCode, sourceTime?: Date): void;
  /** Write requests that came. */
  readonly writes: number;
  /** What becomes of them: carried out, never answered, or answered with this status and not carried out. */
  onWrite: 'answer' | 'silence' | StatusCode;
}

/** An OPC UA server on node-opcua whose values are pushed. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const host = options.host ?? '127.0.0.1';
  const identity = await readOrMake(join(options.folder, 'server'), {
    commonName: 'Dragoman simulator',
    applicationUri: 'urn:dragoman:simulator',
    dns: ['localhost'],
    ip: ['127.0.0.1'],
    validDays: 3_650,
  });
  const server = new OPCUAServer(serverOptions(options, host, identity.applicationUri));
  await server.initialize();
  const { addressSpace } = server.engine;
  if (!addressSpace) throw new Error('the server has no address space');
  for (const [i, uri] of (options.namespacesBefore ?? []).entries()) {
    (options.decoys ?? []).forEach(variableMaker(addressSpace.registerNamespace(uri), `Decoy${i}`));
  }
  const add = variableMaker(addressSpace.registerNamespace(options.namespace));
  const variables = new Map(options.variables.map((each) => [each.id, { variable: add(each), declared: each }]));
  await mustBeFree(options.port, host);
  const writing = interceptWrites(server.engine);
  await server.start();
  return {
    get writes() {
      return writing.count;
    },
    get onWrite() {
      return writing.onWrite;
    },
    set onWrite(onWrite) {
      writing.onWrite = onWrite;
    },
    endpoint: `opc.tcp://${host}:${options.port}`,
    port: options.port,
    identity,
    add(declared) {
      variables.set(declared.id, { variable: add(declared), declared });
    },
    set(id, value, status = StatusCodes.Good, sourceTime = new Date()) {
      const entry = variables.get(id);
      if (!entry) throw new Error(`no variable ${id}`);
      entry.variable.setValueFromSource(variantOf(entry.declared, value), status, sourceTime);
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown(0);
    },
  };
}

/** Between the write service and the address space. */
function interceptWrites(engine: OPCUAServer['engine']): { count: number; onWrite: Simulator['onWrite'] } {
  const state: ReturnType<typeof interceptWrites> = { count: 0, onWrite: 'answer' };
  const carryOut = engine.write.bind(engine);
  engine.write = (context, nodes) => {
    state.count++;
    if (state.onWrite === 'answer') return carryOut(context, nodes);
    const status = state.onWrite;
    return status === 'silence' ? new Promise(() => {}) : Promise.resolve(nodes.map(() => status));
  };
  return state;
}

/** The library would let a port that is taken end the process. */
async function mustBeFree(port: number, host: string): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new GatewayError('port-in-use', `port ${port} on ${host} is taken by another program`, {
              retry: 'after-fix',
              hint: 'Stop it, or choose another port',
              cause: error,
            })
          : error,
      );
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

function serverOptions(options: SimulatorOptions, host: string, applicationUri: string): OPCUAServerOptions {
  const isLoopback = host === '127.0.0.1' || host === 'localhost' || host === '::1';
  const secure = options.secure ?? true;
  const store = clientStore((sha1) => options.trustedClients?.includes(sha1) ?? true);
  return {
    host,
    port: options.port,
    hostname: host,
    // Each endpoint reads them again, so they must be files.
    certificateFile: join(options.folder, 'server', 'own', 'certs', 'certificate.pem'),
    privateKeyFile: join(options.folder, 'server', 'own', 'private', 'private_key.pem'),
    serverCertificateManager: store,
    userCertificateManager: store,
    serverInfo: { applicationUri, productUri: 'dragoman-simulator', applicationName: { text: 'Dragoman simulator' } },
    buildInfo: { productName: 'Dragoman simulator', manufacturerName: 'Dragoman' },
    registerServerMethod: 1,
    allowAnonymous: options.user === undefined,
    ...(options.user && {
      userManager: { isValidUser: (name: string, password: string) => name === options.user?.name && password === options.user.password },
    }),
    securityModes: [
      ...(isLoopback ? [MessageSecurityMode.None] : []),
      ...(secure ? [MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt] : []),
    ],
    securityPolicies: [
      ...(isLoopback ? [SecurityPolicy.None] : []),
      ...(secure ? [SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss] : []),
    ],
    serverCapabilities: {
      maxSessions: 100,
      maxSubscriptionsPerSession: 100,
      operationLimits: {
        ...(options.maxNodesPerRead !== undefined && { maxNodesPerRead: options.maxNodesPerRead }),
        ...(options.maxMonitoredItemsPerCall !== undefined && { maxMonitoredItemsPerCall: options.maxMonitoredItemsPerCall }),
        ...(options.maxNodesPerTranslate !== undefined && { maxNodesPerTranslateBrowsePathsToNodeIds: options.maxNodesPerTranslate }),
      },
    },
  } as unknown as OPCUAServerOptions;
}

/** Lets clients in by fingerprint and keeps no files. */
function clientStore(accepts: (sha1: string) => boolean): object {
  const judge = async (certificate: Buffer | Buffer[]) => {
    const { createHash } = await import('node:crypto');
    const leaf = Array.isArray(certificate) ? certificate[0]! : certificate;
    return accepts(createHash('sha1').update(leaf).digest('hex')) ? StatusCodes.Good : StatusCodes.BadCertificateUntrusted;
  };
  const withCallback = (
    certificate: Buffer | Buffer[],
    callback?: (error: Error | null, status?: StatusCode) => void,
  ): Promise<StatusCode> => {
    const status = judge(certificate);
    if (callback) status.then((each) => callback(null, each), callback);
    return status;
  };
  return {
    referenceCounter: 0,
    initialize: async () => {},
    dispose: async () => {},
    checkCertificate: withCallback,
    getTrustStatus: withCallback,
    verifyCertificate: async () => 'Good',
    trustCertificate: async () => {},
    rejectCertificate: async () => {},
    addIssuer: async () => {},
    addRevocationList: async () => {},
  };
}

type Namespace = ReturnType<NonNullable<OPCUAServer['engine']['addressSpace']>['registerNamespace']>;
type UAVariable = ReturnType<Namespace['addVariable']>;

/** Makes variables of a namespace, and the folders above them. `top` is a folder around all of it. */
function variableMaker(namespace: Namespace, top?: string): (declared: SimulatedVariable) => UAVariable {
  const folders = new Map<string, ReturnType<Namespace['addObject']>>();
  const { rootFolder } = namespace.addressSpace;
  const folderOf = (parts: readonly string[]): ReturnType<Namespace['addObject']> => {
    if (parts.length === 0) return rootFolder.objects as unknown as ReturnType<Namespace['addObject']>;
    const id = parts.join('.');
    const folder =
      folders.get(id) ?? namespace.addObject({ browseName: parts.at(-1)!, nodeId: `s=${id}`, organizedBy: folderOf(parts.slice(0, -1)) });
    folders.set(id, folder);
    return folder;
  };
  return (declared) => {
    const parts = declared.id.split('.');
    const variable = namespace.addVariable({
      browseName: parts.at(-1)!,
      nodeId: `s=${declared.id}`,
      componentOf: folderOf([...(top ? [top] : []), ...parts.slice(0, -1)]) as never,
      dataType: declared.type,
      valueRank: declared.isArray ? 1 : -1,
      accessLevel: declared.writable ? 'CurrentRead | CurrentWrite' : 'CurrentRead',
      userAccessLevel: declared.writable ? 'CurrentRead | CurrentWrite' : 'CurrentRead',
      // Values are pushed: 0 keeps the server from sampling each one on a timer of its own.
      minimumSamplingInterval: 0,
      ...(declared.description !== undefined && { description: declared.description }),
    });
    variable.setValueFromSource(variantOf(declared, declared.value));
    return variable;
  };
}

function variantOf({ type, isArray }: SimulatedVariable, value: unknown) {
  return {
    dataType: ua[type] as unknown as DataTypeNumber,
    arrayType: isArray ? VariantArrayType.Array : VariantArrayType.Scalar,
    value: typeof value === 'bigint' ? halves(value) : value,
  };
}

function halves(value: bigint): [number, number] {
  const bits = BigInt.asUintN(64, value);
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}

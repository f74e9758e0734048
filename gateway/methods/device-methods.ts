import { z } from 'zod';
import { duration } from '../../mappings/keys.ts';
import type { TelemetryReading } from '../../model/telemetry.ts';
import { logLevels } from '../log.ts';
import { methodViewBytes, type TwinView, type ViewRequest } from '../twin/point-view.ts';
import type { LogBook, LogLevelForAWhile } from './log-book.ts';
import { type Method, MethodRefusal, type Methods } from './methods.ts';
import { checkedScript, type HostUpdateSettings, type HostUpdateState, runHostUpdate } from './update-host.ts';

/** What the methods need of the running gateway. */
export interface DeviceMethodsContext {
  readonly identity: () => Readonly<Record<string, unknown>>;
  /** Ends the process in good order; whoever runs it starts it again. */
  readonly restart: () => void;
  /** Reads machines now, over the connections that are open. */
  readonly readNow: (equipment: readonly string[] | undefined) => Promise<{
    readonly readings: Readonly<Record<string, readonly TelemetryReading[]>>;
    readonly errors: Readonly<Record<string, string>>;
  }>;
  /** Every point as configured and as it is, up to `maxBytes` of JSON. */
  readonly points: (request: ViewRequest, maxBytes: number) => TwinView;
  readonly logBook: LogBook;
  readonly logLevel: LogLevelForAWhile;
  readonly hostUpdate: HostUpdateSettings | undefined;
  readonly onHostUpdate: (state: HostUpdateState) => void;
}

const nothing = z.strictObject({});
const method = <Input>(made: Method<Input>): Method<Input> => made;

/** The methods that every gateway has: is it there, who is it, what does it say. */
export function addDeviceMethods(methods: Methods, context: DeviceMethodsContext): void {
  methods.add(method({ name: 'ping', summary: 'Answers', input: z.unknown(), handle: async () => ({ time: new Date().toISOString() }) }));
  methods.add(
    method({ name: 'info', summary: 'Identity, versions, since when it runs', input: nothing, handle: async () => context.identity() }),
  );
  methods.add(
    method({ name: 'methods', summary: 'The methods of this gateway', input: nothing, handle: async () => ({ methods: methods.list() }) }),
  );
  methods.add(restartMethod(context));
  methods.add(readMethod(context));
  methods.add(pointsMethod(context));
  methods.add(logLevelMethod(context));
  methods.add(logsMethod(context));
  methods.add(updateHostMethod(context));
}

function restartMethod({ restart }: DeviceMethodsContext) {
  return method({
    name: 'restart',
    summary: 'Ends the gateway in good order; the container engine or the system starts it again',
    input: nothing,
    async handle() {
      // The answer first.
      setTimeout(restart, 500);
      return { restarting: true };
    },
  });
}

const equipmentList = z.union([z.string().transform((one) => [one]), z.array(z.string()).max(1_000)]);

function readMethod({ readNow }: DeviceMethodsContext) {
  return method({
    name: 'read',
    summary: 'Reads machines now: { equipment: "cooker-1" }, or all',
    input: z.strictObject({ equipment: equipmentList.optional() }),
    handle: async ({ equipment }) => readNow(equipment),
  });
}

const patterns = z.union([z.string().transform((one) => [one]), z.array(z.string()).max(1_000)]);

function pointsMethod({ points }: DeviceMethodsContext) {
  return method({
    name: 'points',
    summary: 'Points as configured, with last value, quality and age: { equipment: "cooker-*", points: "*_temperature", after: next }',
    input: z.strictObject({ equipment: patterns.optional(), points: patterns.optional(), after: z.string().optional() }),
    async handle({ equipment, points: names, after }) {
      const request = { ...(equipment && { equipment }), ...(names && { points: names }), ...(after !== undefined && { after }) };
      return points(request, methodViewBytes);
    },
  });
}

function logLevelMethod({ logLevel }: DeviceMethodsContext) {
  return method({
    name: 'log-level',
    summary: 'Another log level for a while: { level: "debug", for: "10m" }',
    input: z.strictObject({ level: z.enum(logLevels), for: duration({ min: 1_000, max: 86_400_000 }).prefault('10m') }),
    handle: async (wanted) => ({ level: wanted.level, until: new Date(logLevel.set(wanted.level, wanted.for)).toISOString() }),
  });
}

/** Direct methods take 128 KB both ways. */
const mostLogBytes = 100_000;

function logsMethod({ logBook }: DeviceMethodsContext) {
  return method({
    name: 'logs',
    summary: 'The last log lines: { last: 100 }',
    input: z.strictObject({ last: z.int().min(1).max(1_000).default(100) }),
    async handle({ last }) {
      const lines = [...logBook.last(last)];
      let bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 8, 0);
      while (bytes > mostLogBytes && lines.length > 0) bytes -= Buffer.byteLength(lines.shift()!) + 8;
      return { lines };
    },
  });
}

function updateHostMethod({ hostUpdate, onHostUpdate }: DeviceMethodsContext) {
  let running = false;
  return method({
    name: 'update-host',
    summary: 'Runs the signed update script of this host: { parameters: { version: "1.2" } }',
    input: z.strictObject({
      parameters: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,31}$/), z.string().max(256)).default({}),
    }),
    async handle({ parameters }) {
      if (!hostUpdate) {
        throw new MethodRefusal(409, 'update-off', 'no update script is configured on this host', {
          hint: 'updateHost: { script: …, signer: … } in dragoman.yaml',
        });
      }
      if (running) throw new MethodRefusal(409, 'update-running', 'an update of the host is running already');
      const body = await checkedScript(hostUpdate);
      running = true;
      // It may take minutes; how it goes stands in the twin.
      void runHostUpdate(body, hostUpdate, parameters, onHostUpdate).finally(() => {
        running = false;
      });
      return { started: true };
    },
  });
}

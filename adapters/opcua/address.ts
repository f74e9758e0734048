import { z } from 'zod';
import { duration } from '../../mappings/keys.ts';
import type { CompiledAddress, PointSource, Report } from '../../mappings/language.ts';
import { isBadText, type NodeText, parseNodeText } from './node-text.ts';
import type { OpcuaSettings } from './settings.ts';

export const triggers = ['status', 'value', 'timestamp'] as const;

/** The adapter's own point keys. */
export const OpcuaPoint = z.strictObject({
  samplingInterval: duration({ min: 0, max: 86_400_000 }).optional().describe('How often the server looks at the value; left out: `every`'),
  queueSize: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Values that the server keeps between two publications; left out: enough for the sampling interval'),
  discard: z.enum(['oldest', 'newest']).optional().describe('What a full queue drops; oldest is right for process values'),
  trigger: z
    .enum(triggers)
    .optional()
    .describe('What counts as a change: status alone, status or value (the default), or also a new source timestamp'),
  index: z
    .union([z.int().min(0), z.string().regex(/^\d+(:\d+)?(,\d+(:\d+)?)*$/, 'an index is 3, a range 2:5, of a matrix 0:1,2')])
    .optional()
    .describe('Part of an array: 3 for one element, "2:5" for a range, "0:1,2" of a matrix'),
  field: z
    .string()
    .regex(/^[A-Za-z_]\w*(\[\d+\])*(\.[A-Za-z_]\w*(\[\d+\])*)*$/, 'a field is written like motor.currents[2]')
    .optional()
    .describe('One field of a structure: motor.currents[2]'),
  read: z.enum(['subscribe', 'poll']).optional().describe('poll reads every `every`, for servers whose subscriptions do not work'),
});

/** Plain data: two equal addresses are deeply equal. Absent keys mean the default. */
export interface OpcuaAddress {
  readonly node: NodeText;
  readonly samplingIntervalMs?: number;
  readonly queueSize?: number;
  readonly discard?: 'newest';
  readonly trigger?: (typeof triggers)[number];
  /** NumericRange of OPC UA Part 4 §7.27. */
  readonly index?: string;
  readonly field?: string;
  readonly poll?: true;
}

export function compilePoint(source: PointSource<OpcuaSettings>, report: Report): CompiledAddress<OpcuaAddress> | undefined {
  if (source.at === undefined) {
    report('at', { rule: 'opcua-node-id', message: `${source.name} has no at`, hint: 'Write at: nsu=<namespace URI>;s=<name>' });
    return undefined;
  }
  const node = parseNodeText(source.at);
  if (isBadText(node)) {
    report('at', node);
    return undefined;
  }
  if (node.kind === 'id' && typeof node.namespace === 'number' && node.namespace > 0) {
    report('at', {
      rule: 'namespace-index',
      severity: 'warn',
      message: `ns=${node.namespace} is an index, and indexes move when the server changes; the value may then come from another node`,
      hint: `Write nsu=<URI>;${node.id}; the server lists the URI in its NamespaceArray (i=2255) at place ${node.namespace}`,
    });
  }
  const own = source.own as z.infer<typeof OpcuaPoint>;
  if (own.read === 'poll') {
    for (const key of ['samplingInterval', 'queueSize', 'discard', 'trigger'] as const) {
      if (own[key] !== undefined) {
        report(key, {
          rule: 'opcua-poll-key',
          severity: 'warn',
          message: `${key} has no effect with read: poll`,
          hint: `Leave ${key} out, or read: poll`,
        });
      }
    }
  }
  checkRange(own.index, report);
  const part = own.field !== undefined ? 'field' : 'index';
  if (source.write && own[part] !== undefined) {
    report('write', {
      rule: 'opcua-write-part',
      message: `write: ${source.name} is a part of a value (${part}: ${own[part]}), and writing it would overwrite the rest`,
      hint: `Write the node that the machine has for it, or leave ${part} out`,
    });
  }
  return { address: addressOf(node, own), rawType: undefined };
}

function checkRange(index: string | number | undefined, report: Report): void {
  for (const dimension of String(index ?? '').split(',')) {
    const [from, to] = dimension.split(':').map(Number);
    if (to !== undefined && from !== undefined && to <= from) {
      report('index', {
        rule: 'opcua-index',
        message: `index: ${index} ends before it begins`,
        hint: `Write ${to}:${from}, or ${from} for one element`,
      });
    }
  }
}

function addressOf(node: NodeText, own: z.infer<typeof OpcuaPoint>): OpcuaAddress {
  const index = own.index === undefined ? undefined : String(own.index);
  const poll = own.read === 'poll';
  return {
    node,
    ...(own.samplingInterval !== undefined && !poll && { samplingIntervalMs: own.samplingInterval }),
    ...(own.queueSize !== undefined && !poll && { queueSize: own.queueSize }),
    ...(own.discard === 'newest' && !poll && { discard: 'newest' as const }),
    ...(own.trigger !== undefined && own.trigger !== 'value' && !poll && { trigger: own.trigger }),
    ...(index !== undefined && { index }),
    ...(own.field !== undefined && { field: own.field }),
    ...(poll && { poll: true as const }),
  };
}

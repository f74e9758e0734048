import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Finding, PlacedPoint } from '../../mappings/language.ts';
import { opcua } from './adapter.ts';
import type { OpcuaAddress } from './address.ts';
import { formatNodeText, isBadText, type NodeText, parseNodeText } from './node-text.ts';
import { rules } from './rules.ts';
import { endpointProblem, OpcuaSettings } from './settings.ts';
import { pointsAt, settingsFor } from './testcases/points.ts';

const settings = settingsFor('opc.tcp://127.0.0.1');

function compile(
  at: string,
  own: object = {},
  write = false,
): { address: OpcuaAddress | undefined; findings: (Finding & { key: string })[] } {
  const findings: (Finding & { key: string })[] = [];
  const source = { name: 'p', at, own: opcua.point.parse(own), settings, everyMs: 1_000, write, bits: false };
  const compiled = opcua.compilePoint(source, (key, finding) => findings.push({ ...finding, key }));
  return { address: compiled?.address, findings };
}

describe('at', () => {
  test.for<[string, NodeText]>([
    ['nsu=http://candyco/mixer;s=Mixer.Speed', { kind: 'id', namespace: 'http://candyco/mixer', id: 's=Mixer.Speed' }],
    ['nsu=urn:a;s="DB1"."motor".speed', { kind: 'id', namespace: 'urn:a', id: 's="DB1"."motor".speed' }],
    ['nsu=urn:a;s=|var|PLC.Application.GVL.x', { kind: 'id', namespace: 'urn:a', id: 's=|var|PLC.Application.GVL.x' }],
    ['nsu=urn:a;s=x;s=y', { kind: 'id', namespace: 'urn:a', id: 's=x;s=y' }],
    ['nsu=urn:a;s=x;i=5', { kind: 'id', namespace: 'urn:a', id: 's=x;i=5' }],
    ['nsu=urn:a%3Bb%25c;i=7', { kind: 'id', namespace: 'urn:a;b%c', id: 'i=7' }],
    ['nsu=urn:a;g=09087e75-8e5e-499b-954f-f2a9603db28a', { kind: 'id', namespace: 'urn:a', id: 'g=09087E75-8E5E-499B-954F-F2A9603DB28A' }],
    ['nsu=urn:a;b=M/RbKBsRVkePCePcx24oRA==', { kind: 'id', namespace: 'urn:a', id: 'b=M/RbKBsRVkePCePcx24oRA==' }],
    ['i=2258', { kind: 'id', namespace: 0, id: 'i=2258' }],
    ['ns=0;i=2258', { kind: 'id', namespace: 0, id: 'i=2258' }],
    ['/Mixer/Speed', { kind: 'path', steps: [{ name: 'Mixer' }, { name: 'Speed' }] }],
    ['/Objects/Mixer/Speed', { kind: 'path', steps: [{ name: 'Mixer' }, { name: 'Speed' }] }],
    [
      '/{http://candyco/mixer}Mixer/Motor.Speed',
      { kind: 'path', steps: [{ namespace: 'http://candyco/mixer', name: 'Mixer' }, { name: 'Motor.Speed' }] },
    ],
    ['/Line &/ 1/A&&B', { kind: 'path', steps: [{ name: 'Line / 1' }, { name: 'A&B' }] }],
  ])('%s', ([at, node]) => {
    expect(compile(at)).toMatchObject({ address: { node }, findings: [] });
  });

  test.for([
    ['', 'opcua-node-id'],
    ['Mixer.Speed', 'opcua-node-id'],
    ['nsu=http://candyco/mixer', 'opcua-node-id'],
    ['nsu=;s=x', 'opcua-node-id'],
    ['nsu=2;s=x', 'opcua-node-id'],
    ['nsu=urn:a;s=', 'opcua-node-id'],
    ['nsu=urn:a;i=4294967296', 'opcua-node-id'],
    ['nsu=urn:a;i=-1', 'opcua-node-id'],
    ['nsu=urn:a;g=1234', 'opcua-node-id'],
    ['nsu=urn:a;b=***', 'opcua-node-id'],
    ['ns=urn:a;s=x', 'opcua-node-id'],
    ['ns=70000;s=x', 'opcua-node-id'],
    ['svr=1;nsu=urn:a;s=x', 'opcua-node-id'],
    ['s=Mixer.Speed', 'opcua-namespace-missing'],
    ['/', 'opcua-node-id'],
    ['/Mixer/', 'opcua-node-id'],
    ['/Mixer//Speed', 'opcua-node-id'],
    ['/{http://candyco', 'opcua-node-id'],
    ['/{}Mixer', 'opcua-node-id'],
    ['/2:Mixer/2:Speed', 'namespace-index'],
  ] as const)('"%s" is refused by %s', ([at, rule]) => {
    const { address, findings } = compile(at);
    expect(address).toBeUndefined();
    expect(findings).toMatchObject([{ key: 'at', rule, message: expect.stringMatching(/\w/) }]);
  });

  test('an index is taken, with a warning that says what to write', () => {
    const { address, findings } = compile('ns=2;s=Mixer.Speed');
    expect(address?.node).toEqual({ kind: 'id', namespace: 2, id: 's=Mixer.Speed' });
    expect(findings).toMatchObject([
      { rule: 'namespace-index', severity: 'warn', hint: expect.stringContaining('nsu=<URI>;s=Mixer.Speed') },
    ]);
  });

  test('what is printed reads back as the same node', () => {
    const uri = fc.string({ minLength: 1 }).filter((text) => !/^\d+$/.test(text) && !text.includes('\n'));
    const id = fc.record({ kind: fc.constant('id' as const), namespace: uri, id: fc.string({ minLength: 1 }).map((text) => `s=${text}`) });
    fc.assert(
      fc.property(id, (node) => {
        // Blanks at either end do not survive a YAML file, so they need not survive here.
        fc.pre(node.id.trim() === node.id);
        expect(parseNodeText(formatNodeText(node))).toEqual(node);
      }),
    );
    const step = fc.record({ name: fc.string({ minLength: 1 }).filter((text) => !/^\d+:/.test(text) && text.trim() === text) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1 }), (steps) => {
        fc.pre(steps[0]?.name !== 'Objects');
        expect(parseNodeText(formatNodeText({ kind: 'path', steps }))).toEqual({ kind: 'path', steps });
      }),
    );
  });

  test('nothing that is written makes the parser throw', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseNodeText(text);
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^(nsu=|ns=|\/)[;={}&/:\w]*$/), (text) => {
        expect(isBadText(parseNodeText(text))).toBeTypeOf('boolean');
      }),
    );
  });
});

describe('own keys', () => {
  test('only what differs from the default is in the address, so that a reload leaves the rest alone', () => {
    expect(compile('i=2258', { discard: 'oldest', trigger: 'value', read: 'subscribe' }).address).toEqual({
      node: { kind: 'id', namespace: 0, id: 'i=2258' },
    });
  });

  test('all of them', () => {
    const own = {
      samplingInterval: '100ms',
      queueSize: 10,
      discard: 'newest',
      trigger: 'timestamp',
      index: '2:5',
      field: 'motor.currents[2]',
    };
    expect(compile('i=1', own).address).toMatchObject({
      samplingIntervalMs: 100,
      queueSize: 10,
      discard: 'newest',
      trigger: 'timestamp',
      index: '2:5',
      field: 'motor.currents[2]',
    });
  });

  test('keys of a subscription on a polled point are said to have no effect', () => {
    const { address, findings } = compile('i=1', { read: 'poll', queueSize: 5 });
    expect(address).toEqual({ node: { kind: 'id', namespace: 0, id: 'i=1' }, poll: true });
    expect(findings).toMatchObject([{ key: 'queueSize', rule: 'opcua-poll-key', severity: 'warn' }]);
  });

  test('a range that ends before it begins', () => {
    expect(compile('i=1', { index: '5:2' }).findings).toMatchObject([{ key: 'index', rule: 'opcua-index' }]);
  });

  test('a part of a value cannot be written', () => {
    expect(compile('i=1', { index: 2 }, true).findings).toMatchObject([{ key: 'write', rule: 'opcua-write-part' }]);
    expect(compile('i=1', { field: 'Speed' }, true).findings).toMatchObject([{ key: 'write', rule: 'opcua-write-part' }]);
    expect(compile('i=1', {}, true).findings).toEqual([]);
  });

  test.for([
    { samplingInterval: '-1s' },
    { samplingInterval: 'fast' },
    { queueSize: 0 },
    { index: -1 },
    { index: '1-2' },
    { field: '2x' },
    { trigger: 'all' },
    { unknown: 1 },
  ])('%o is refused', (own) => {
    expect(opcua.point.safeParse(own).success).toBe(false);
  });
});

describe('connection', () => {
  test.for(['opc.tcp://10.20.0.31:4840', 'opc.tcp://mixer', 'OPC.TCP://mixer:4840/Path/To', 'opc.tcp://[fd00::1]:4840/x'])(
    '%s is an endpoint',
    (text) => {
      expect(endpointProblem(text)).toBeUndefined();
    },
  );

  test.for([
    ['http://10.0.0.1:4840', /only the binary transport/],
    ['opc.https://10.0.0.1', /only the binary transport/],
    ['mqtt://x', /not an OPC UA endpoint/],
    ['10.0.0.1:4840', /does not begin with opc.tcp/],
    ['opc.tcp://', /names no host/],
    ['opc.tcp://:4840', /names no host/],
    ['opc.tcp://host:port', /port "port"/],
    ['opc.tcp://host:0', /port "0"/],
    ['opc.tcp://host:65536', /port "65536"/],
    ['opc.tcp://user:pw@host', /user name does not belong/],
    ['opc.tcp://host/path?x=1', /query or fragment/],
    ['opc.tcp://my host', /space/],
    ['opc.tcp://fd00::1:4840', /is not a host/],
  ] as const)('%s is refused', ([text, message]) => {
    expect(endpointProblem(text)?.message).toMatch(message);
  });

  const issuesOf = (block: object) =>
    OpcuaSettings.safeParse({ endpoint: 'opc.tcp://m', ...block }).error?.issues as
      | { params?: { rule?: string }; message: string }[]
      | undefined;

  test.for([
    [{ security: { mode: 'Sign', policy: 'Basic128Rsa15' } }, 'opcua-deprecated-policy'],
    [{ security: { mode: 'Sign', policy: 'Basic256' } }, 'opcua-deprecated-policy'],
    [{ security: { mode: 'Sign', policy: 'Basic512' } }, 'unknown-value'],
    [{ security: { mode: 'None', policy: 'Basic256Sha256' } }, 'opcua-policy-without-security'],
    [{ timeout: '-1s' }, 'negative-duration'],
    [{ publishingInterval: 'often' }, 'duration'],
  ] as const)('%o is refused by %s', ([block, rule]) => {
    expect(issuesOf(block)?.map(({ params }) => params?.rule)).toContain(rule);
  });

  test('a password is a reference, never text', () => {
    expect(issuesOf({ user: { name: 'a', password: 'secret' } })).toBeDefined();
    expect(issuesOf({ user: { name: 'a', password: { env: 'MIXER_PASSWORD' } } })).toBeUndefined();
  });

  test('trust: a fingerprint in any usual form', () => {
    const pin = 'AB:'.repeat(19).concat('AB');
    expect(OpcuaSettings.parse({ endpoint: 'opc.tcp://m', trust: pin }).trust).toBe('ab'.repeat(20));
    expect(issuesOf({ trust: 'AB:CD' })).toBeDefined();
  });

  test('the defaults', () => {
    expect(settings).toMatchObject({ security: { mode: 'None' }, user: 'anonymous', trust: 'ask', timeout: 10_000 });
  });
});

describe('samples', () => {
  const points: PlacedPoint<OpcuaAddress>[] = pointsAt({
    speed: 'nsu=http://candyco/mixer;s=Mixer.Speed',
    batch: '/Mixer/BatchId',
    zone: { at: '/Mixer/Zones', index: 1 },
    current: { at: '/Mixer/Motor', field: 'Currents[1]' },
  });
  const decode = (given: Record<string, unknown>) => {
    const findings: string[] = [];
    const samples = opcua.sample(given, points, settings, (_, { rule }) => findings.push(rule));
    return {
      raw: Object.fromEntries([...samples].map(([name, { raw }]) => [name, raw])),
      shown: [...samples.values()].map(({ shown }) => shown),
      findings,
    };
  };

  test.for<[Record<string, unknown>, Record<string, unknown>]>([
    [{ 'nsu=http://candyco/mixer;s=Mixer.Speed': 12.5 }, { speed: 12.5 }],
    [{ 'nsu=http://candyco/mixer;s=Mixer.Speed': { value: 231.7, type: 'Float' } }, { speed: 231.7 }],
    [{ '/Mixer/BatchId': { value: '1311768468603649775', type: 'UInt64' } }, { batch: 1_311_768_468_603_649_775n }],
    [{ '/Mixer/BatchId': { value: '-5', type: 'Int64' } }, { batch: -5n }],
    [{ '/Objects/Mixer/BatchId': { value: '2026-11-24T08:00:01.1234567Z', type: 'DateTime' } }, { batch: '2026-11-24T08:00:01.1234567Z' }],
    [{ '/Mixer/BatchId': { status: 'BadSensorFailure' } }, { batch: undefined }],
    [{ '/Mixer/Zones': [20, 21.5, 22] }, { zone: 21.5 }],
    [{ '/Mixer/Zones': { value: [20, 21.5, 22], type: 'Float' } }, { zone: 21.5 }],
    [{ '/Mixer/Motor': { Currents: [1, 2, 3] } }, { current: 2 }],
  ])('%o', ([given, raw]) => {
    expect(decode(given)).toMatchObject({ raw, findings: [] });
  });

  test.for<[Record<string, unknown>, string]>([
    [{ '/Mixer/Spede': 1 }, 'given-unknown'],
    [{ Speed: 1 }, 'opcua-node-id'],
    [{ '/Mixer/BatchId': { value: 300, type: 'Byte' } }, 'given-value'],
    [{ '/Mixer/BatchId': { value: 'x', type: 'Double' } }, 'given-value'],
    [{ '/Mixer/BatchId': { value: 1, type: 'uint16' } }, 'given-value'],
    [{ '/Mixer/BatchId': { value: 1, status: 'Broken' } }, 'given-value'],
    [{ '/Mixer/Zones': [20] }, 'given-value'],
  ])('%o is refused by %s', ([given, rule]) => {
    expect(decode(given).findings).toEqual([rule]);
  });

  test('shows node, value and type', () => {
    expect(decode({ 'nsu=http://candyco/mixer;s=Mixer.Speed': { value: 231.7, type: 'Float' } }).shown).toEqual([
      'nsu=http://candyco/mixer;s=Mixer.Speed = 231.7, Float',
    ]);
  });
});

test('every rule of this adapter is described', async () => {
  const { readdirSync, readFileSync } = await import('node:fs');
  const folder = new URL('./', import.meta.url);
  const text = readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'rules.ts')
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n');
  for (const id of Object.keys(rules)) expect(text, id).toContain(`'${id}'`);
});

test('the definition loads without node-opcua', async () => {
  const { spawnSync } = await import('node:child_process');
  const script = `
    const { registerHooks } = await import('node:module');
    const loaded = [];
    registerHooks({ resolve: (specifier, context, next) => (loaded.push(specifier), next(specifier, context)) });
    for (const url of ${JSON.stringify(['./adapter.ts', './trust.ts', './rules.ts'].map((name) => new URL(name, import.meta.url).href))}) await import(url);
    console.log(loaded.filter((each) => !each.startsWith('.') && !each.startsWith('node:') && !each.startsWith('file:')).join(' '));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(new Set(run.stdout.trim().split(' '))).not.toContain('node-opcua-client');
  expect(run.stdout).toContain('zod');
});

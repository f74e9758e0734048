import { expect, test } from 'vitest';
import type { TwinObject } from '../../twin/section.ts';
import type { ModuleSpec } from '../contract.ts';
import { filterSpec } from '../testing/filter-spec.ts';
import { containerBody } from './container-body.ts';
import { containerName, specHash } from './labels.ts';
import { defaultLogConfig } from './logging.ts';

const spec = (createOptions: TwinObject = {}, more: Partial<ModuleSpec> = {}) => filterSpec({ createOptions, ...more });
const host = { gateway: 'gw-1', imageId: 'sha256:aa', network: 'azure-iot-edge', env: {}, binds: [], loggingOptions: '' };
const hostConfigOf = (body: TwinObject): TwinObject => body.HostConfig as TwinObject;

test('a module without options: our labels, our network with its name, bounded logs, restarted by nobody else', () => {
  expect(containerBody(spec(), host)).toEqual({
    Image: 'sha256:aa',
    Env: [],
    Labels: {
      'net.azure-devices.edge.owner': 'Microsoft.Azure.Devices.Edge.Agent',
      'dragoman.gateway': 'gw-1',
      'dragoman.module': 'filter',
      'dragoman.spec': specHash(spec()),
      'dragoman.image': 'box.local/filter:1',
    },
    HostConfig: {
      Binds: [],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      NetworkMode: 'azure-iot-edge',
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
    },
    NetworkingConfig: { EndpointsConfig: { 'azure-iot-edge': { Aliases: ['filter'] } } },
  });
});

test('of one variable the gateway has the last word, then env of the manifest, then Env of the options', () => {
  const options = { Env: ['A=options', 'B=options', 'C=options=3', 'GONE'] };
  const body = containerBody(spec(options, { env: { A: 'manifest', B: 'manifest' } }), { ...host, env: { A: 'gateway', IOTEDGE_X: '1' } });
  expect(body.Env).toEqual(['A=gateway', 'B=manifest', 'C=options=3', 'GONE', 'IOTEDGE_X=1']);
});

test('labels, binds and settings of the options stay; what is ours to say is ours', () => {
  const options = {
    Image: 'other',
    Labels: { line: '4', 'dragoman.gateway': 'somebody else' },
    hostconfig: { Binds: ['data:/data'], Memory: 1000, AutoRemove: true, restartPolicy: { Name: 'always' } },
    Name: 'x',
  };
  const body = containerBody(spec(options), { ...host, binds: ['/run/filter.sock:/run/w.sock'] });
  expect(body).toMatchObject({ Image: 'sha256:aa', Labels: { line: '4', 'dragoman.gateway': 'gw-1' } });
  expect(hostConfigOf(body)).toMatchObject({
    Binds: ['data:/data', '/run/filter.sock:/run/w.sock'],
    Memory: 1000,
    AutoRemove: false,
    RestartPolicy: { Name: 'no' },
  });
  expect(Object.keys(body)).not.toContain('hostconfig');
  expect(Object.keys(body)).not.toContain('Name');
});

test.for([
  { rule: 'loggingOptions as LogConfig', text: '{"Type":"journald"}', config: { Type: 'journald', Config: {} } },
  {
    rule: "loggingOptions as in the daemon's file",
    text: '{"log-driver":"json-file","log-opts":{"max-size":"1m"}}',
    config: { Type: 'json-file', Config: { 'max-size': '1m' } },
  },
  { rule: 'loggingOptions that are no JSON', text: 'json-file', config: defaultLogConfig },
  { rule: 'loggingOptions that say nothing', text: '{}', config: defaultLogConfig },
])('logs: $rule', ({ text, config }) => {
  expect(hostConfigOf(containerBody(spec(), { ...host, loggingOptions: text })).LogConfig).toEqual(config);
});

test('LogConfig of the options is stronger; without a type it has no limit, and the default holds', () => {
  const of = (LogConfig: TwinObject) => hostConfigOf(containerBody(spec({ HostConfig: { LogConfig } }), host)).LogConfig;
  expect(of({ Type: 'none' })).toEqual({ Type: 'none' });
  expect(of({ Config: { 'max-size': '900g' } })).toEqual(defaultLogConfig);
});

test.for([
  { rule: 'host', options: { HostConfig: { NetworkMode: 'host' } }, mode: 'host', networks: undefined },
  { rule: 'none', options: { HostConfig: { NetworkMode: 'none' } }, mode: 'none', networks: undefined },
  { rule: 'default is ours', options: { HostConfig: { NetworkMode: 'default' } }, mode: 'azure-iot-edge', networks: ['azure-iot-edge'] },
  { rule: 'another one', options: { NetworkingConfig: { EndpointsConfig: { plant: {} } } }, mode: 'plant', networks: ['plant'] },
  {
    rule: 'ours with more names',
    options: { NetworkingConfig: { EndpointsConfig: { 'azure-iot-edge': { Aliases: ['f'] } } } },
    mode: 'azure-iot-edge',
    networks: ['azure-iot-edge'],
  },
])('network: $rule', ({ options, mode, networks }) => {
  const body = containerBody(spec(options), host);
  expect(hostConfigOf(body).NetworkMode).toBe(mode);
  const endpoints = (body.NetworkingConfig as { EndpointsConfig?: TwinObject } | undefined)?.EndpointsConfig;
  expect(endpoints && Object.keys(endpoints)).toEqual(networks);
});

test('a key that is not known reaches the engine only when the policy lets it', () => {
  const options = { Newest: 1, HostConfig: { Newer: 2, Memory: 3 } };
  expect(hostConfigOf(containerBody(spec(options), host))).not.toHaveProperty('Newer');
  const body = containerBody(spec(options), { ...host, unknownOptions: true });
  expect(body).toMatchObject({ Newest: 1, HostConfig: { Newer: 2, Memory: 3, AutoRemove: false } });
});

test('the hash of a module changes with what its container is made from, and with nothing else', () => {
  const hash = specHash(spec({ a: { b: 1, c: [1, 2] } }));
  expect(specHash(spec({ a: { c: [1, 2], b: 1 } }, { status: 'stopped', startupOrder: 9 }))).toBe(hash);
  expect(specHash(spec({ a: { b: 1, c: [2, 1] } }))).not.toBe(hash);
  expect(specHash(spec({ a: { b: 1, c: [1, 2] } }, { env: { A: '1' } }))).not.toBe(hash);
});

test.for([
  { module: 'filter', name: /^filter$/ },
  { module: 'Filter_2.b-c', name: /^Filter_2\.b-c$/ },
  { module: 'f', name: /^f-[0-9a-f]{8}$/ },
  { module: 'a*b:c', name: /^a-b-c-[0-9a-f]{8}$/ },
  { module: '***', name: /^[0-9a-f]{8}$/ },
])('the container of $module has a name that engines take', ({ module, name }) => {
  expect(containerName(module)).toMatch(name);
  expect(containerName(module)).toMatch(/^[A-Za-z0-9][\w.-]+$/);
});

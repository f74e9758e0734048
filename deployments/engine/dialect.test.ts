import { describe, expect, test } from 'vitest';
import type { ContainerBody } from './contract.ts';
import { dialectOf } from './dialect.ts';

const of = (name: string, version: string) =>
  dialectOf({ name, version, apiVersion: '1.41', operatingSystem: 'linux', architecture: 'amd64' });
const gateways: Readonly<Record<string, string>> = { podman: '10.88.0.1', 'azure-iot-edge': '10.89.0.1' };
const gatewayOf = async (network: string): Promise<string | undefined> => gateways[network];
const hosts = (NetworkMode: string): ContainerBody => ({
  HostConfig: { NetworkMode, ExtraHosts: ['gw-1:host-gateway', 'plc:10.0.0.9'] },
});

describe('host-gateway', () => {
  test.for([
    { mode: 'azure-iot-edge', address: '10.89.0.1' },
    { mode: 'default', address: '10.88.0.1' },
    { mode: '', address: '10.88.0.1' },
    { mode: 'host', address: '127.0.0.1' },
  ])('is an address before podman 4.7, on the network "$mode"', async ({ mode, address }) => {
    const body = await of('podman', '4.3.1').body(hosts(mode), gatewayOf);
    expect(body).toEqual({ HostConfig: { NetworkMode: mode, ExtraHosts: [`gw-1:${address}`, 'plc:10.0.0.9'] } });
  });

  test.for([
    ['docker', '20.10.24'],
    ['podman', '4.7.0'],
    ['podman', '5.0.3'],
  ] as const)('is known to %s %s', async ([name, version]) => {
    const body = hosts('azure-iot-edge');
    expect(await of(name, version).body(body, gatewayOf)).toEqual(body);
  });

  test('a body without it is left alone, and so is one on a network that has no gateway', async () => {
    const { body } = of('podman', '4.3.1');
    for (const one of [{ HostConfig: {} }, { HostConfig: { ExtraHosts: ['plc:10.0.0.9'] } }, hosts('none')])
      expect(await body(one, gatewayOf)).toEqual(one);
  });
});

test('a tmpfs without a mode is for all, on podman too', async () => {
  const mounts = (Mode: number | undefined) => ({
    HostConfig: {
      Mounts: [
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1, ...(Mode !== undefined && { Mode }) } },
        { Type: 'volume', Target: '/v' },
      ],
    },
  });
  const { body } = of('podman', '5.0.0');
  expect(await body(mounts(undefined), gatewayOf)).toEqual(mounts(0o1777));
  expect(await body(mounts(0o700), gatewayOf)).toEqual(mounts(0o700));
});

test('podman gets no variable without a value, and no place for a log', async () => {
  const { body } = of('podman', '5.0.0');
  const LogConfig = { Type: 'json-file', Config: { 'max-size': '10m', Path: '/etc/cron.d/x' } };
  expect(await body({ Env: ['A=1', 'HOME', 'PA*', 'B='], HostConfig: { LogConfig } }, gatewayOf)).toEqual({
    Env: ['A=1', 'B='],
    HostConfig: { LogConfig: { Type: 'json-file', Config: { 'max-size': '10m' } } },
  });
});

test.for<{ Test: readonly string[]; other: readonly string[] | undefined }>([
  { Test: ['CMD', 'sh', '-c', 'exit 1'], other: ['["sh","-c","exit 1"]'] },
  { Test: ['CMD', 'check', ''], other: ['["check",""]'] },
  { Test: ['CMD', 'check', '--fast'], other: undefined },
  { Test: ['CMD-SHELL', 'exit 1'], other: undefined },
  { Test: ['NONE'], other: undefined },
])('a health check $Test has other words for podman: $other', ({ Test, other }) => {
  const body = { Image: 'x', Healthcheck: { Test, Retries: 2 } };
  expect(of('podman', '4.3.1').otherWords(body)).toEqual(other && { Image: 'x', Healthcheck: { Test: other, Retries: 2 } });
  expect(of('docker', '28.0.0').otherWords(body)).toBeUndefined();
});

describe('events', () => {
  const event = (Attributes: Readonly<Record<string, string>>) => ({ Action: 'start', Actor: { ID: '1', Attributes } });

  test('of podman count only with all of the labels', () => {
    const { isOf } = of('podman', '4.3.1');
    const labels = { owner: 'edge', gateway: 'gw-1' };
    expect(isOf(event({ owner: 'edge', gateway: 'gw-1', image: 'x' }), labels)).toBe(true);
    expect(isOf(event({ owner: 'edge', gateway: 'gw-2' }), labels)).toBe(false);
    expect(isOf({ Action: 'start' }, labels)).toBe(false);
    expect(isOf({ Action: 'start' }, {})).toBe(true);
  });

  test('are asked for by label where the engine takes that', () => {
    expect(of('docker', '28.0.0').eventFilters({ a: '1' })).toMatchObject({ label: ['a=1'] });
    expect(of('podman', '4.3.1').eventFilters({ a: '1' })).toEqual({ type: ['container'] });
  });
});

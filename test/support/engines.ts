import { type Capability, capability, titled } from './capabilities.ts';
import { engineUrl, startEngine, type TestEngine } from './engine.ts';
import { startPodman } from './podman.ts';

/** One of the engines that a test runs on, one after the other. */
export interface EngineKind<Started> {
  readonly name: 'docker' | 'podman';
  readonly ok: boolean;
  /** With its name, and why it is skipped. */
  titled(title: string): string;
  /** Of its tests. podman 4.3.1 under load failed now and then without a cause found (deployments/engine/README.md); each test begins anew and may be tried again there. */
  readonly trying: { readonly retry: number };
  start(options?: { readonly diskMegabytes?: number }): Promise<Started>;
}

export type BorrowedEngine = Pick<TestEngine, 'host'> & AsyncDisposable;

/** Of a test's own: it may be killed. `more` is what the test needs beside it. */
export const ownEngines = (...more: readonly Capability[]): readonly EngineKind<TestEngine>[] => [
  kind('docker', startEngine, [capability('dockerd'), ...more]),
  kind('podman', startPodman, [capability('podman'), ...more]),
];

/** That of this machine, with what others have on it; podman, of which there is none, of the test's own. */
export const engines = (...more: readonly Capability[]): readonly EngineKind<BorrowedEngine>[] => [
  kind('docker', async () => ({ host: engineUrl(), [Symbol.asyncDispose]: async () => {} }), [capability('docker'), ...more]),
  kind('podman', startPodman, [capability('podman'), ...more]),
];

const kind = <Started>(
  name: EngineKind<Started>['name'],
  start: EngineKind<Started>['start'],
  needed: readonly Capability[],
): EngineKind<Started> => ({
  name,
  ok: needed.every(({ ok }) => ok),
  trying: { retry: name === 'podman' ? 2 : 0 },
  titled: (title) => titled(`${title} (${name})`, ...needed),
  start,
});

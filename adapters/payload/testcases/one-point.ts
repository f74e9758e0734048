import { expect } from 'vitest';
import type { Finding } from '../../../mappings/language.ts';
import { compilePayloadPoint, type PayloadOptions } from '../compile.ts';
import type { Tree } from '../contract.ts';
import { messageReader } from '../reader.ts';

export interface Outcome {
  readonly value: unknown;
  readonly type?: string | undefined;
  readonly status?: string | undefined;
  readonly reason?: string | undefined;
  readonly timeMs: number;
  readonly ticks: number;
}

export interface Given {
  readonly body: Uint8Array | { readonly tree: Tree };
  readonly properties?: Readonly<Record<string, Tree>>;
  readonly annotations?: Readonly<Record<string, Tree>>;
  readonly timeMs?: number;
}

export function compiled(at: string | undefined, own: Record<string, unknown> = {}, options: PayloadOptions = { annotations: true }) {
  const findings: (Finding & { readonly key: string })[] = [];
  const source = { name: 'p', at, own, write: false, bits: false };
  const out = compilePayloadPoint(source, (key, finding) => findings.push({ key, ...finding }), options);
  return { address: out?.address, rawType: out?.rawType, findings };
}

/** Reads one message by one point; a list where CSV gives several. */
export function readAll(at: string | undefined, own: Record<string, unknown>, given: Given): Outcome[] {
  const { address, findings } = compiled(at, own);
  expect(findings).toEqual([]);
  const out = messageReader([{ index: 7, address: address! }]).read({
    body: given.body,
    property: (name) => given.properties?.[name],
    annotation: (name) => given.annotations?.[name],
    ...(given.timeMs !== undefined && { timeMs: given.timeMs }),
    receivedMs: 99,
  });
  expect(out.points.every((index) => index === 7)).toBe(true);
  return out.points.map((_, i) => ({
    value: out.values[i],
    type: out.types[i],
    status: out.states[i]?.status.name,
    reason: out.states[i]?.reason,
    timeMs: out.sourceTimesMs[i]!,
    ticks: out.sourceTicks[i]!,
  }));
}

export const text = (body: string): Given => ({ body: Buffer.from(body) });
export const one = (at: string | undefined, own: Record<string, unknown>, given: Given): Outcome | undefined => readAll(at, own, given)[0];

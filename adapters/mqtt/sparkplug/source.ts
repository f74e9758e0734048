import type { Metric } from '../../../encodings/sparkplug/payload.ts';
import type { Captures, SampleState } from '../../../model/sample.ts';
import type { Batches } from '../batches.ts';
import type { Machines, Target } from '../machines.ts';

/** A point that takes a Sparkplug metric. */
export interface MetricPoint {
  /** Place among the observed points. */
  readonly index: number;
  readonly topic: string;
  readonly metric: string;
}

/** A metric that a birth named. */
export interface KnownMetric {
  readonly name: string;
  readonly datatype: number | undefined;
  readonly targets: readonly Target[];
  /** What it said last that was not historical, also when no point wants it yet; undefined after a death. */
  live: { readonly metric: Metric; readonly timeMs: number } | undefined;
}

interface Pattern {
  readonly point: number;
  readonly captures: Captures;
  readonly before: string;
  readonly after: string;
  readonly placeholder: string;
}

/** Metrics that belong to the protocol and are no values of a machine. */
const isOwn = (name: string): boolean => name === 'bdSeq' || name.startsWith('Node Control/') || name.startsWith('Device Control/');

/** The metrics of a node, or of one of its devices, and the points that take them. */
export class MetricSource {
  /** `plant/press-7`, `plant/press-7/drive`: for reasons. */
  readonly label: string;
  born = false;
  metrics = new Map<string, KnownMetric>();
  readonly #machines: Machines;
  readonly #exact = new Map<string, Target[]>();
  readonly #patterns: Pattern[] = [];

  constructor(label: string, points: readonly { readonly point: MetricPoint; readonly captures: Captures }[], machines: Machines) {
    this.label = label;
    this.#machines = machines;
    for (const { point, captures } of points) this.#bind(point, captures);
  }

  /** The metrics that points name in full. */
  get wanted(): ReadonlyMap<string, readonly Target[]> {
    return this.#exact;
  }

  know(name: string, datatype: number | undefined): KnownMetric {
    return { name, datatype, targets: this.metrics.get(name)?.targets ?? this.#targetsOf(name), live: undefined };
  }

  /** All points of this source become bad; those that never had a value stay unknown. */
  spoil(state: SampleState, timeMs: number, batches: Batches): void {
    for (const known of this.metrics.values()) known.live = undefined;
    const all = [...this.#exact.values(), ...[...this.metrics.values()].map(({ targets }) => targets)].flat();
    for (const target of new Set(all)) if (target.index >= 0) batches.add(target, undefined, state, undefined, timeMs);
  }

  #bind({ index, metric }: MetricPoint, captures: Captures): void {
    const [, before, placeholder, after] = /^([^{]*)\{([A-Za-z][A-Za-z0-9_]*)\}(.*)$/s.exec(metric) ?? [];
    if (placeholder !== undefined) {
      this.#patterns.push({ point: index, captures, before: before!, after: after!, placeholder });
      return;
    }
    const target = this.#machines.target(index, captures);
    if (!target) return;
    const others = this.#exact.get(metric);
    if (others) others.push(target);
    else this.#exact.set(metric, [target]);
  }

  #targetsOf(name: string): readonly Target[] {
    const targets = [...(this.#exact.get(name) ?? [])];
    for (const { point, captures, before, after, placeholder } of this.#patterns) {
      if (isOwn(name) || name.length <= before.length + after.length || !name.startsWith(before) || !name.endsWith(after)) continue;
      const filled = name.slice(before.length, name.length - after.length);
      const target = this.#machines.target(point, { ...captures, [placeholder]: filled });
      if (target) targets.push(target);
    }
    return targets;
  }
}

import type { Log } from '../../adapters/contract.ts';
import { NotConnectedError } from '../../model/error.ts';
import type { Problem } from '../../model/problem.ts';
import { type Assembly, assemble, type Wanted } from './assembly.ts';
import { digestOf } from './blobs.ts';
import { DesiredConfiguration } from './desired.ts';
import { type Diagnostics, diagnosticsOf } from './diagnostics.ts';
import { fetchFile } from './fetch-file.ts';
import type { ChangeOutcome, ConfigurationService } from './service.ts';

/** What became of one version of the desired properties, as it stands in reported. */
export interface DesiredAnswer {
  readonly version: number;
  readonly state: 'applied' | 'unchanged' | 'waiting' | 'refused' | 'stale';
  /** As HTTP: 200 applied or nothing to do, 202 waiting, 400 refused, 409 stale. */
  readonly status: 200 | 202 | 400 | 409;
  /** For people. */
  readonly message: string;
  /** The one in force now. */
  readonly snapshot?: number;
  readonly diagnostics?: Diagnostics;
  /** Something could not be fetched now: give the same properties again after this. */
  readonly retryAfterMs?: number;
}

const retryAfterMs = 60_000;
const mostShown = 10;

/** Mapping files and settings out of desired properties. Versions are taken in order; one that was overtaken while it waited is passed over. */
export class RemoteConfiguration {
  readonly #service: ConfigurationService;
  readonly #log: Log;
  readonly #fetch: typeof fetchFile;
  #newest = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(service: ConfigurationService, log: Log, fetch: typeof fetchFile = fetchFile) {
    this.#service = service;
    this.#log = log;
    this.#fetch = fetch;
  }

  /**
   * `desired` is the whole section, merged. Never rejects: whatever is wrong is an answer. `reset` is for another hub, whose versions
   * begin anew.
   */
  apply(desired: unknown, version: number, who: string, signal: AbortSignal, options: { reset?: boolean } = {}): Promise<DesiredAnswer> {
    if (options.reset) this.#newest = 0;
    const stale = version < this.#newest;
    this.#newest = Math.max(this.#newest, version);
    const next = this.#queue.then(async (): Promise<DesiredAnswer> => {
      if (stale || version < this.#newest)
        return { version, state: 'stale', status: 409, message: `version ${this.#newest} is known already; this one was not applied` };
      try {
        return await this.#apply(desired, version, who, signal);
      } catch (error) {
        this.#log.error({ err: error }, 'desired properties could not be applied by a defect, or for want of disk');
        return { version, state: 'refused', status: 400, message: `not applied: ${(error as Error).message}` };
      }
    });
    this.#queue = next;
    return next;
  }

  async #apply(desired: unknown, version: number, who: string, signal: AbortSignal): Promise<DesiredAnswer> {
    const { blobs } = this.#service.store;
    let assembly = assemble(desired, await blobs.all(digestsAsked(desired)));
    if (assembly.state === 'fetch') {
      const failed = await this.#fetchAll(assembly.wanted, signal);
      if (failed) return { version, ...failed };
      assembly = assemble(desired, await blobs.all(digestsAsked(desired)));
    }
    switch (assembly.state) {
      case 'refused':
        return { version, state: 'refused', status: 400, ...listed(assembly.problems.map(({ path, message }) => `${path}: ${message}`)) };
      case 'waiting':
        return { version, state: 'waiting', status: 202, ...listed(assembly.missing, 'waiting for ') };
      case 'fetch':
        return { version, state: 'refused', status: 400, message: 'what was fetched could not be kept' };
      default:
        return this.#putInForce(assembly, version, who);
    }
  }

  async #fetchAll(wanted: readonly Wanted[], signal: AbortSignal): Promise<Omit<DesiredAnswer, 'version'> | undefined> {
    for (const one of wanted) {
      try {
        await this.#service.store.blobs.put(await this.#fetch(one, signal));
      } catch (error) {
        const message = (error as Error).message;
        if (error instanceof NotConnectedError) return { state: 'waiting', status: 202, message: `${message}; tried again`, retryAfterMs };
        return { state: 'refused', status: 400, message };
      }
    }
    return undefined;
  }

  async #putInForce(assembly: Extract<Assembly, { state: 'ready' }>, version: number, who: string): Promise<DesiredAnswer> {
    const { asked } = this.#service.store.state;
    const files = assembly.files && changedFiles(assembly.files, asked.files);
    const settings = assembly.settings && JSON.stringify(assembly.settings) !== JSON.stringify(asked.settings ?? {});
    if (!files?.size && !settings)
      return { version, ...answerOf({ state: 'unchanged', snapshot: this.#service.store.current, problems: [] }, '') };
    const outcome = await this.#service.apply(
      {
        asked: {
          ...asked,
          ...(assembly.files && { files: digests(assembly.files) }),
          ...(assembly.settings && { settings: assembly.settings }),
        },
        ...(files && { files }),
        ...(settings && { settings: assembly.settings! }),
      },
      { who, from: 'desired properties', note: `version ${version}` },
    );
    return { version, ...answerOf(outcome, this.#service.base) };
  }
}

/** The twin's word counts where it changed: what a person promoted or rolled back since is not undone by hearing the old word again. */
function changedFiles(files: ReadonlyMap<string, string>, before: Readonly<Record<string, string>> = {}): Map<string, string | null> {
  const changed = new Map<string, string | null>();
  for (const [name, text] of files) if (before[name] !== digestOf(text)) changed.set(name, text);
  for (const name of Object.keys(before)) if (!files.has(name)) changed.set(name, null);
  return changed;
}

function digests(files: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(Array.from(files, ([name, text]) => [name, digestOf(text)]));
}

function digestsAsked(desired: unknown): string[] {
  const { mappings = {} } = DesiredConfiguration.safeParse(desired).data ?? {};
  return Object.values(mappings).flatMap((asked) => (asked !== null && 'sha256' in asked ? [asked.sha256] : []));
}

function listed(lines: readonly string[], before = ''): { readonly message: string } {
  const more = lines.length > mostShown ? `; and ${lines.length - mostShown} more` : '';
  return { message: `${before}${lines.slice(0, mostShown).join('; ')}${more}`.slice(0, 3_000) };
}

/** An outcome for the twin or the caller of a method. */
export function answerOf(outcome: ChangeOutcome, base: string): Omit<DesiredAnswer, 'version'> {
  const diagnostics = diagnosticsIf(outcome.problems, base);
  switch (outcome.state) {
    case 'refused':
      return { state: 'refused', status: 400, message: outcome.reason, ...diagnostics };
    case 'unchanged':
      return {
        state: 'unchanged',
        status: 200,
        message: 'nothing to change',
        ...(outcome.snapshot && { snapshot: outcome.snapshot.number }),
        ...diagnostics,
      };
    default: {
      const { number, plan } = outcome.snapshot;
      return { state: 'applied', status: 200, message: plan.at(-1) ?? 'applied', snapshot: number, ...diagnostics };
    }
  }
}

function diagnosticsIf(problems: readonly Problem[], base: string): { diagnostics?: Diagnostics } {
  return problems.length === 0 ? {} : { diagnostics: diagnosticsOf(problems, base) };
}

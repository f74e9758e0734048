import type { Grain, MessageSubject } from '../../encodings/contract.ts';

/** What may stand in braces. */
export const placeholders = ['gateway', 'source', 'path', 'equipment', 'message', 'point', 'priority'] as const;
export type Placeholder = (typeof placeholders)[number];

const ofEvent: ReadonlySet<Placeholder> = new Set(['path', 'equipment', 'message', 'priority']);

export interface AddressOptions {
  /** Makes one value safe between two separators; must be reversible. */
  readonly escape: (value: string) => string;
  /** Between the levels of `{path}` and `{source}`, and what is dropped beside an empty value. Default `/`. */
  readonly separator?: string;
}

/** A topic or address with placeholders, taken apart once. */
export interface AddressTemplate {
  readonly text: string;
  /** `reading` with `{point}`, `event` with anything else of the machine, otherwise `batch`. */
  readonly grain: Grain;
  readonly names: ReadonlySet<Placeholder>;
  /** The address of one message; `about` undefined stands for the gateway as a whole. */
  fill(gateway: { readonly gateway: string; readonly source: string }, about: MessageSubject | undefined): string;
}

/** What is wrong with a template, for a person; empty when nothing is. */
export function templateProblems(text: string, allowed: readonly Placeholder[] = placeholders): readonly string[] {
  const problems: string[] = [];
  const bare = text.replace(/\{([^{}]*)\}/g, (written, name: string) => {
    if (!(allowed as readonly string[]).includes(name)) {
      problems.push(`${written} is not a placeholder; these are: ${allowed.map((each) => `{${each}}`).join(' ')}`);
    }
    return '';
  });
  if (/[{}]/.test(bare)) problems.push('a brace is not closed, or not opened');
  if (text === '') problems.push('it is empty');
  return problems;
}

/**
 * Compiles a template that has no problems. In `{path}` and `{source}` the slashes separate levels, each escaped by itself; the slash in
 * front of a source goes. A level that comes out empty (a machine without path, a gap without point) is left out with its separator.
 */
export function addressTemplate(text: string, { escape: safe, separator = '/' }: AddressOptions): AddressTemplate {
  const parts = text.split(/\{([^{}]*)\}/);
  const names = new Set(parts.filter((_, index) => index % 2 === 1) as Placeholder[]);
  const levels = (value: string): string =>
    value
      .split('/')
      .filter((level) => level !== '')
      .map(safe)
      .join(separator);
  const grain = names.has('point') ? 'reading' : [...names].some((name) => ofEvent.has(name)) ? 'event' : 'batch';
  return {
    text,
    grain,
    names,
    fill({ gateway, source }, about) {
      const filling = (name: Placeholder): string => {
        switch (name) {
          case 'gateway':
            return safe(gateway);
          case 'source':
            return levels(source);
          case 'path':
            return levels(about?.path ?? '');
          case 'equipment':
            return safe(about?.equipment ?? gateway);
          case 'message':
            return safe(about?.message ?? 'telemetry');
          case 'priority':
            return about?.priority ?? 'telemetry';
          case 'point':
            return about?.point === undefined ? '' : safe(about.point);
        }
      };
      let address = parts[0] ?? '';
      for (let i = 1; i < parts.length; i += 2) {
        const value = filling(parts[i] as Placeholder);
        const after = parts[i + 1] ?? '';
        // `a/{path}/b` without a path is `a/b`, not `a//b`; at the end the separator before it goes.
        const startsLevel = address === '' || address.endsWith(separator);
        if (value !== '' || !startsLevel) address += value + after;
        else if (after.startsWith(separator)) address += after.slice(separator.length);
        else if (after === '' && i + 2 >= parts.length) address = address.slice(0, -separator.length);
        else address += after;
      }
      return address;
    },
  };
}

import { join, relative, resolve, sep } from 'node:path';
import type { Problem } from '../../model/problem.ts';
import type { ManagedMappings } from '../mapping-set.ts';
import { digestOf } from './blobs.ts';
import type { State } from './snapshot.ts';

/** Where things are: the folder of `dragoman.yaml`, and the one that remote files are shown in. */
export interface Places {
  readonly base: string;
  readonly remote: string;
}

/** Path of a local file as snapshots name it: below the folder of `dragoman.yaml`, with `/`. */
export function localName(places: Places, file: string): string {
  return relative(places.base, file).split(sep).join('/');
}

export function remotePath(places: Places, name: string): string {
  return join(places.remote, name);
}

export function isRemote(places: Places, file: string): boolean {
  return !relative(places.remote, file).startsWith('..');
}

/** What a state puts beside, or in the place of, the local files. */
export function managedBy({ remote, pins }: State, texts: ReadonlyMap<string, string>, places: Places): ManagedMappings {
  const files = new Map<string, string>();
  for (const [name, sha256] of Object.entries(remote)) {
    const text = texts.get(sha256);
    if (text !== undefined) files.set(remotePath(places, name), text);
  }
  return { remote: files, local: (given) => pinned(given, pins, texts, places) };
}

/** A pin holds as long as the file is as it was when the pin was made: whoever edits it afterwards has the last word. */
function pinned(
  given: ReadonlyMap<string, string | Problem>,
  pins: State['pins'],
  texts: ReadonlyMap<string, string>,
  places: Places,
): ReadonlyMap<string, string | Problem> {
  // Where `mappings:` is a folder above `data`, the copies for people are not local files.
  const foreign = [...given.keys()].some((file) => isRemote(places, file));
  if (Object.keys(pins).length === 0 && !foreign) return given;
  const result = new Map<string, string | Problem>();
  for (const [file, text] of given) {
    if (isRemote(places, file)) continue;
    const pin = pins[localName(places, file)];
    const holds = pin !== undefined && typeof text === 'string' && pin.while === digestOf(text);
    if (!holds) result.set(file, text);
    else if (pin.use !== null) result.set(file, texts.get(pin.use) ?? text);
  }
  const there = new Set(Array.from(given.keys(), (file) => localName(places, file)));
  for (const [name, { while: was, use }] of Object.entries(pins)) {
    const text = use === null ? undefined : texts.get(use);
    if (was === null && text !== undefined && !there.has(name)) result.set(resolve(places.base, name), text);
  }
  return result;
}

/** Pins that still hold, given the digests of the local files as they are on the disk. */
export function livePins(pins: State['pins'], onDisk: Readonly<Record<string, string>>): State['pins'] {
  return Object.fromEntries(Object.entries(pins).filter(([name, { while: was }]) => (onDisk[name] ?? null) === was));
}

/** The pins that make the local files what they were in a snapshot. */
export function pinsFor(wanted: Readonly<Record<string, string>>, onDisk: Readonly<Record<string, string>>): State['pins'] {
  const names = new Set([...Object.keys(wanted), ...Object.keys(onDisk)]);
  const pins: [string, State['pins'][string]][] = [];
  for (const name of names) {
    const [was, use] = [onDisk[name] ?? null, wanted[name] ?? null];
    if (was !== use) pins.push([name, { while: was, use }]);
  }
  return Object.fromEntries(pins);
}

import { hash } from 'node:crypto';
import type { Captures } from '../model/sample.ts';
import type { CompiledEquipment, CompiledPoint } from './equipment.ts';

const placeholder = /\{([A-Za-z][A-Za-z0-9_]*)\}/g;

/** The placeholders of a name, in order, each once: `press-{line}-{id}` has line and id. */
export function placeholdersOf(text: string): readonly string[] {
  return [...new Set(Array.from(text.matchAll(placeholder), (match) => match[1] as string))];
}

/** With every placeholder replaced by a letter: a pattern is well formed when this is a good name. */
export function withoutPlaceholders(text: string): string {
  return text.replaceAll(placeholder, 'x');
}

const longest = 64;

/** What a machine calls itself, as a point name: other characters become `_`, a long one is cut and keeps apart by a hash. */
export function pointNameOf(pattern: string, captures: Captures): string {
  return named(fill(pattern, captures), /[^A-Za-z0-9_]/g);
}

export function equipmentIdOf(pattern: string, captures: Captures): string {
  return named(fill(pattern, captures), /[^A-Za-z0-9_-]/g);
}

function fill(pattern: string, captures: Captures): string {
  return pattern.replaceAll(placeholder, (whole, key: string) => captures[key] ?? whole);
}

function named(text: string, forbidden: RegExp): string {
  const clean = text.replace(forbidden, '_');
  const led = /^[A-Za-z]/.test(clean) ? clean : `p_${clean}`;
  return led.length <= longest ? led : `${led.slice(0, longest - 9)}_${hash('sha256', text, 'hex').slice(0, 8)}`;
}

/** One of the machines that a pattern (`equipment: press-{id}`) stands for. */
export function machineOf(equipment: CompiledEquipment, captures: Captures): CompiledEquipment {
  const path = fill(equipment.path, captures)
    .split('/')
    .map((level) => level.replace(/[^\p{L}\p{N}_. -]/gu, '_').slice(0, longest))
    .join('/');
  const { captures: _, ...rest } = equipment;
  return { ...rest, id: equipmentIdOf(equipment.id, captures), path };
}

/** One of the points that a pattern stands for. */
export function pointOf(pattern: CompiledPoint, captures: Captures): CompiledPoint {
  const { pattern: _, ...rest } = pattern;
  return { ...rest, name: pointNameOf(pattern.name, captures) };
}

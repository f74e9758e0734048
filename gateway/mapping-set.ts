import { readFile } from 'node:fs/promises';
import type { Adapter } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { compileMapping, loadMappings } from '../mappings/load.ts';
import type { Problem } from '../model/problem.ts';
import type { LastGood } from './last-good.ts';

export interface MappingSet {
  readonly equipment: readonly CompiledEquipment[];
  readonly problems: readonly Problem[];
  readonly files: readonly string[];
  /** Files whose present text is refused and whose last good text is used instead. */
  readonly fallbacks: readonly string[];
}

/**
 * The mappings as they shall run: each file as it is, or, where it is refused, as it last was good.
 * A file that is gone takes its machines with it; a file that is bad changes nothing.
 */
export async function loadMappingSet(paths: readonly string[], adapters: readonly Adapter[], lastGood: LastGood): Promise<MappingSet> {
  const result = await loadMappings(paths, adapters);
  const bad = new Set(result.problems.filter((problem) => problem.severity === 'error').map((problem) => problem.file));
  const equipment = [...result.equipment];
  const taken = new Set(equipment.map(({ id }) => id));
  const texts = new Map<string, string>();
  const fallbacks: string[] = [];
  for (const file of result.files) {
    const old = bad.has(file) ? lastGood.text(file) : await readFile(file, 'utf8').catch(() => undefined);
    if (old === undefined) continue;
    texts.set(file, old);
    if (!bad.has(file)) continue;
    const before = compileMapping(file, old, adapters).equipment.filter(({ id }) => !taken.has(id));
    for (const one of before) taken.add(one.id);
    equipment.push(...before);
    if (before.length > 0) fallbacks.push(file);
  }
  await lastGood.save(texts);
  return { equipment, problems: result.problems, files: result.files, fallbacks };
}

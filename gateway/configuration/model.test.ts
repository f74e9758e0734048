import { rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { anna, box, machine } from './testing/box.ts';

const names = ['a', 'b'] as const;
type Name = (typeof names)[number];
type Files = Partial<Record<Name, number>>;

/** What a person would expect, in a few lines: file `a` holds machine `m-a`, told apart by its scale. */
class Model {
  local: Files = {};
  remote: Files = {};
  asked: Files | undefined;
  pins: Partial<Record<Name, { while: number | undefined; use: number | undefined }>> = {};
  /** In the order of their numbers. */
  snapshots: { readonly local: Files; readonly remote: Files }[] = [];

  get localInForce(): Files {
    return Object.fromEntries(
      names.flatMap((name) => {
        const pin = this.pins[name];
        const scale = pin && pin.while === this.local[name] ? pin.use : this.local[name];
        return scale === undefined ? [] : [[name, scale]];
      }),
    );
  }

  get inForce(): Files {
    return { ...this.localInForce, ...this.remote };
  }

  edit(name: Name, scale: number | undefined): void {
    if (scale === undefined) delete this.local[name];
    else this.local[name] = scale;
    for (const each of names) if (this.pins[each] && this.pins[each].while !== this.local[each]) delete this.pins[each];
    this.#commit();
  }

  desire(files: Files): void {
    for (const name of names) {
      if (files[name] === this.asked?.[name]) continue;
      if (files[name] === undefined) delete this.remote[name];
      else this.remote[name] = files[name];
    }
    this.asked = files;
    this.#commit();
  }

  rollback(number: number): void {
    const { local, remote } = this.snapshots[number - 1]!;
    this.remote = { ...remote };
    this.pins = {};
    for (const name of names) if (this.local[name] !== local[name]) this.pins[name] = { while: this.local[name], use: local[name] };
    this.#commit();
  }

  start(): void {
    this.#commit();
  }

  #commit(): void {
    const now = { local: this.localInForce, remote: { ...this.remote } };
    if (JSON.stringify(sorted(now)) !== JSON.stringify(this.snapshots.length > 0 ? sorted(this.snapshots.at(-1)!) : undefined))
      this.snapshots.push(now);
  }
}

function sorted({ local, remote }: { local: Files; remote: Files }): unknown {
  return [local, remote].map((files) => names.map((name) => files[name] ?? 0));
}

const scale = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });
const step = fc.oneof(
  fc.record({ kind: fc.constant('edit' as const), name: fc.constantFrom(...names), scale }),
  fc.record({ kind: fc.constant('desire' as const), a: scale, b: scale }),
  fc.record({ kind: fc.constant('rollback' as const), back: fc.nat(6) }),
  fc.record({ kind: fc.constant('restart' as const) }),
);

test('edits, desired properties, rollbacks and restarts in any order: what runs is what a person would expect', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      using folder = tempFolder();
      let gateway = await box(folder.path);
      const model = new Model();
      model.start();
      let version = 0;
      for (const one of steps) {
        if (one.kind === 'edit') {
          if (one.scale === undefined) rmSync(join(folder.path, 'mappings', `${one.name}.yaml`), { force: true });
          else gateway.local(`${one.name}.yaml`, machine(`m-${one.name}`, one.scale));
          await gateway.reloadLocal();
          model.edit(one.name, one.scale);
        } else if (one.kind === 'desire') {
          const asked: Files = { ...(one.a !== undefined && { a: one.a }), ...(one.b !== undefined && { b: one.b }) };
          const mappings = Object.fromEntries(Object.entries(asked).map(([name, its]) => [name, { text: machine(`m-${name}`, its) }]));
          const answer = await gateway.remote.apply({ mappings }, ++version, 'hub', new AbortController().signal);
          if (answer.state === 'refused') expect(answer.message).toContain('no machine would be left');
          else model.desire(asked);
        } else if (one.kind === 'rollback') {
          const number = Math.max(1, model.snapshots.length - one.back);
          const outcome = await gateway.service.rollback(number, anna);
          if (outcome.state === 'refused') expect(outcome.reason).toContain('no machine would be left');
          else model.rollback(number);
        } else {
          gateway = await box(folder.path);
          version = 0;
          model.start();
        }
        await gateway.service.settled();
        const running = Object.fromEntries(Object.keys(gateway.runs()).map((id) => [id.slice(2), Number(gateway.scaleOf(id)) / 100]));
        expect(running).toEqual(model.inForce);
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);

import { nearest, suggestion } from '../nearest.ts';
import { functions } from './functions.ts';
import { type ExpressionPoint, type ExpressionProblem, type Kind, kindNouns } from './kinds.ts';
import { equal, logic, numeric, type Run } from './operations.ts';
import type { Node } from './parse.ts';

export interface Checked {
  readonly kind: Kind;
  readonly run: Run;
  readonly uses: readonly string[];
  readonly problems: readonly ExpressionProblem[];
}

/** A checked part. */
interface Part {
  readonly kind: Kind;
  readonly run: Run;
  readonly words?: readonly string[] | undefined;
}

const nothing: Part = { kind: 'unknown', run: () => undefined };

/** Types every part and makes the closures. Goes on after a mistake, so that all of them come at once. */
export function check(root: Node, text: string, points: ReadonlyMap<string, ExpressionPoint>): Checked {
  const uses: string[] = [];
  const problems: ExpressionProblem[] = [];
  const { kind, run } = part(root);
  return { kind, run, uses, problems };

  function found(node: Node, rule: ExpressionProblem['rule'], message: string, hint?: string): Part {
    problems.push({ rule, from: node.from, to: node.to, message, ...(hint && { hint }) });
    return nothing;
  }

  function shown({ from, to }: Node): string {
    const piece = text.slice(from, to);
    return piece.length > 60 ? `${piece.slice(0, 60)}…` : piece;
  }

  function part(node: Node): Part {
    switch (node.is) {
      case 'literal': {
        const { value } = node;
        const kind = typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'truth' : 'text';
        return { kind, run: () => value };
      }
      case 'point':
        return point(node, node.name);
      case 'call':
        return call(node, node.name, node.given);
      case 'list':
        return found(node, 'expression-type', `${shown(node)}: a list stands only after in`, 'write state in ["stopped", "fault"]');
      default:
        return operator(node, node.operator, node.operands);
    }
  }

  function point(node: Node, name: string): Part {
    const known = points.get(name);
    if (!known) {
      if (Object.hasOwn(functions, name)) return found(node, 'expression-type', `${name} is a function`, `write ${name}(…)`);
      const hint = suggestion(name, [...points.keys()]);
      return found(node, 'unknown-point', `${name} is not a point of this machine; a text stands in quotes`, hint);
    }
    let index = uses.indexOf(name);
    if (index < 0) index = uses.push(name) - 1;
    return { kind: known.kind, words: known.words, run: (inputs) => inputs[index] };
  }

  function call(node: Node, name: string, given: readonly Node[]): Part {
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (!known) {
      const near = nearest(name, Object.keys(functions));
      const hint = near ? `did you mean ${near}?` : `known: ${Object.keys(functions).join(', ')}`;
      return found(node, 'expression-syntax', `${name}(…) is not a function`, hint);
    }
    const parts = given.map((one) => numberPart(one, `${name}(…)`));
    const [least, most] = known.takes;
    if (given.length < least || given.length > most) {
      const wanted = least === most ? least : `${least} to ${most}`;
      return found(node, 'expression-type', `${shown(node)}: ${name} takes ${wanted} numbers, not ${given.length}`);
    }
    return { kind: 'number', run: known.make(parts) };
  }

  function numberPart(node: Node, what: string): Run {
    const { kind, run } = part(node);
    if (kind !== 'number' && kind !== 'unknown')
      found(node, 'expression-type', `${what} takes numbers, and ${shown(node)} is ${kindNouns[kind]}`);
    return run;
  }

  function truthPart(node: Node, what: string): Run {
    const { kind, run } = part(node);
    if (kind !== 'truth' && kind !== 'unknown') {
      const hint = kind === 'number' ? `write what it must be: ${shown(node)} > 0` : undefined;
      found(node, 'expression-type', `${what} takes true or false, and ${shown(node)} is ${kindNouns[kind]}`, hint);
    }
    return run;
  }

  function operator(node: Node, name: string, operands: readonly Node[]): Part {
    const [a, b, c] = operands as [Node, Node, Node];
    switch (name) {
      case '&&':
      case '||': {
        const word = name === '&&' ? 'and' : 'or';
        return { kind: 'truth', run: logic[word](truthPart(a, word), truthPart(b, word)) };
      }
      case '!_':
        return { kind: 'truth', run: logic.not(truthPart(a, 'not')) };
      case '-_':
        return { kind: 'number', run: numeric.negative(numberPart(a, '-')) };
      case '==':
      case '!=':
        return equality(node, a, b, name === '!=');
      case 'in':
        return membership(node, a, b);
      case '?:':
        return choice(node, a, b, c);
      case '<':
      case '<=':
      case '>':
      case '>=':
        return ordering(node, name, a, b);
      default:
        return { kind: 'number', run: numeric.binary(name, numberPart(a, name), numberPart(b, name)) };
    }
  }

  function ordering(node: Node, name: '<' | '<=' | '>' | '>=', a: Node, b: Node): Part {
    const [left, right] = [part(a), part(b)];
    for (const [side, { kind }] of [[a, left] as const, [b, right] as const]) {
      if (kind === 'number' || kind === 'unknown') continue;
      found(node, 'expression-type', `${shown(node)}: ${name} compares numbers, and ${shown(side)} is ${kindNouns[kind]}`);
      break;
    }
    return { kind: 'truth', run: numeric.order(name, left.run, right.run) };
  }

  function equality(node: Node, a: Node, b: Node, negated: boolean): Part {
    const left = part(a);
    const right = wordWithoutQuotes(a, left, b) ?? part(b);
    comparable(node, a, left, b, right);
    knownWord(a, left, b);
    knownWord(b, right, a);
    return { kind: 'truth', run: equal(left.run, right.run, negated) };
  }

  function comparable(node: Node, a: Node, left: Part, b: Node, right: Part): void {
    const sets = left.kind === 'texts' || right.kind === 'texts';
    if (!sets && (left.kind === right.kind || left.kind === 'unknown' || right.kind === 'unknown')) return;
    const message = sets
      ? `${shown(node)}: ${shown(left.kind === 'texts' ? a : b)} is a set of words, which may hold several at once`
      : `${shown(node)} compares ${kindNouns[left.kind]} with ${kindNouns[right.kind]}`;
    const quoted = right.kind === 'text' && left.kind === 'number' ? 'write the number without quotes' : undefined;
    found(node, 'expression-type', message, sets ? 'write "overheat" in alarms' : quoted);
  }

  /** `state == running`: the commonest slip. */
  function wordWithoutQuotes(side: Node, { words }: Part, other: Node): Part | undefined {
    if (other.is !== 'point' || points.has(other.name) || !words?.includes(other.name)) return undefined;
    return found(other, 'unknown-point', `${other.name} is a word of ${shown(side)}, and a text stands in quotes`, `write "${other.name}"`);
  }

  /** A word that the point never shows would make a condition that is never met, in silence. */
  function knownWord(side: Node, { words }: Part, other: Node): void {
    if (!words || other.is !== 'literal' || typeof other.value !== 'string' || words.includes(other.value)) return;
    found(other, 'expression-word', `${shown(side)} is never "${other.value}"`, suggestion(other.value, words));
  }

  function membership(node: Node, a: Node, b: Node): Part {
    const left = part(a);
    if (b.is !== 'list') {
      const right = part(b);
      if (right.kind !== 'texts' && right.kind !== 'unknown')
        return found(
          node,
          'expression-type',
          `${shown(node)}: in needs a list, and ${shown(b)} is ${kindNouns[right.kind]}`,
          'write ["a", "b"]',
        );
      if (left.kind !== 'text' && left.kind !== 'unknown')
        return found(node, 'expression-type', `${shown(b)} is a set of words, and ${shown(a)} is ${kindNouns[left.kind]}`);
      knownWord(b, right, a);
      return { kind: 'truth', run: logic.within(left.run, right.run) };
    }
    const elements = b.elements.map((element) => {
      const one = wordWithoutQuotes(a, left, element) ?? part(element);
      comparable(element, a, left, element, one);
      knownWord(a, left, element);
      return equal(left.run, one.run, false);
    });
    if (elements.length === 0) return found(node, 'expression-type', `${shown(node)}: the list is empty, so nothing is in it`);
    return { kind: 'truth', run: elements.reduce((before, one) => logic.or(before, one)) };
  }

  function choice(node: Node, a: Node, b: Node, c: Node): Part {
    const test = truthPart(a, '?');
    const [yes, no] = [part(b), part(c)];
    const either = yes.kind === 'unknown' || no.kind === 'unknown' || yes.kind === no.kind;
    if (!either)
      found(node, 'expression-type', `${shown(node)} is ${kindNouns[yes.kind]} in one case and ${kindNouns[no.kind]} in the other`);
    return { kind: yes.kind === no.kind ? yes.kind : 'unknown', run: logic.choose(test, yes.run, no.run) };
  }
}

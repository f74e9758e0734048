import { createContext, Script } from 'node:vm';
import { AgentRefusal } from './refusal.ts';

/** A pattern of the caller may need longer than the world will stand; the gateway has other work. */
const patienceMs = 1_000;

const script = new Script('texts.filter((text) => pattern.test(text))');

/** Those of the texts that match. Throws a refusal when the pattern takes too long. */
export function matching(texts: readonly string[], pattern: RegExp): readonly string[] {
  try {
    return script.runInContext(createContext({ texts, pattern }), { timeout: patienceMs }) as readonly string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new AgentRefusal(400, 'regex: it takes too long on these lines; write a simpler one, without repeats inside repeats');
  }
}

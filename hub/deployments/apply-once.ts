import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import { RequestError } from '../core/request-error.ts';
import { checkContent } from './check-content.ts';
import { composeModules, kindOf } from './content.ts';

/** A manifest for one device: the desired properties of each module it names. Throws a RequestError with all that is wrong. */
export function readOnce(deviceId: string, content: unknown): ReadonlyMap<string, TwinObject> {
  const problems = checkContent(content);
  if (problems.length > 0) {
    const all = problems.length === 1 ? problems[0] : problems.map((problem) => `\n  ${problem}`).join('');
    throw new RequestError('InvalidConfigurationContent', `the content is not applied to ${deviceId}: ${all}`);
  }
  const kind = isTwinObject(content) ? kindOf(content) : undefined;
  if (kind === 'edge') return composeModules(content as TwinObject, []);
  const cure = 'make a configuration of it, with a target condition such as deviceId = ';
  throw new RequestError(
    'InvalidConfigurationContent',
    `only a whole manifest can be applied to one device, and this is ${kindNames[kind ?? 'device']}: ${cure}'${deviceId}'`,
  );
}

const kindNames = { edge: 'one', layer: 'a layered deployment', device: 'deviceContent', module: 'moduleContent' };

/** Texts longer than this are not searched: the time for a bad one grows faster than its length. */
export const maxMatchInput = 4096;

interface Unsafe {
  readonly message: string;
  readonly hint: string;
}

/** Why an expression of `match` is refused; undefined when it is sound and its time is bounded. */
export function unsafeMatch(source: string): Unsafe | undefined {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    return {
      message: `match: ${(error as Error).message.replace(/^Invalid regular expression: /, '')}`,
      hint: 'A literal . ( ) [ ] + * ? needs a backslash before it',
    };
  }
  const groups = source.replaceAll(/\\.|\[(?:\\.|[^\]\\])*\]/gs, '').match(/\((?!\?)|\(\?<(?![=!])/g)?.length ?? 0;
  if (groups !== 1) {
    return {
      message: `match: ${groups === 0 ? 'there is no group' : `there are ${groups} groups`}; exactly one ( ) marks the value`,
      hint: groups === 0 ? 'Write ([0-9.]+) around the part that is the value' : 'Write (?: ) for the groups that are not the value',
    };
  }
  if (/\\[1-9]|\\k</.test(source)) return { message: 'match: a reference back to a group', hint: 'Write the part out' };
  if (/\(\?(?:[=!]|<[=!])/.test(source))
    return { message: 'match: looking ahead or behind', hint: 'Write what stands there, outside of the group' };
  return undefined;
}

/**
 * A pattern over names or paths: `*` is any run of characters within a level, `**` any number of levels, `?` one character.
 * Levels are parted by `/`. Everything else stands for itself; case counts.
 */
export function glob(pattern: string): (text: string) => boolean {
  if (!/[*?]/.test(pattern)) return (text) => text === pattern;
  const expression = new RegExp(
    `^${pattern.split('/').map(level).join('/')}$`.replaceAll('/(?:.*)', '(?:/.*)?').replace('^(?:.*)/', '^(?:.*/)?'),
    'u',
  );
  return (text) => expression.test(text);
}

function level(written: string): string {
  if (written === '**') return '(?:.*)';
  return written
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replaceAll('?', '[^/]');
}

/** True for a name that one of the patterns covers. */
export function anyGlob(patterns: readonly string[]): (text: string) => boolean {
  const tests = patterns.map(glob);
  return (text) => tests.some((test) => test(text));
}

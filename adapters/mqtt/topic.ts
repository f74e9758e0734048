/** A level of a topic filter: its text, `+`, `#` (the last one), or a capture, which matches as `+` does. */
export type Level =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' | 'rest' }
  | { readonly kind: 'capture'; readonly name: string };

/** A topic filter of the mapping, read. */
export interface TopicFilter {
  /** As written. */
  readonly text: string;
  /** What the broker is asked for: captures are `+`; with `$share/GROUP/` where written. */
  readonly subscription: string;
  readonly levels: readonly Level[];
  readonly captures: readonly string[];
}

interface Wrong {
  readonly message: string;
  readonly hint?: string;
}

const capturePattern = /^\{([A-Za-z][A-Za-z0-9_]*)\}$/;
/** MQTT 5 §1.5.4: the length of a UTF-8 string is two bytes. */
const maxTopicBytes = 65_535;

/** What is wrong with a topic filter, or undefined. */
export function filterProblem(text: string): Wrong | undefined {
  const read = readFilter(text);
  return 'message' in read ? read : undefined;
}

/** Of a filter that has been checked. */
export function parseFilter(text: string): TopicFilter {
  const read = readFilter(text);
  if ('message' in read) throw new RangeError(read.message);
  return read;
}

/** MQTT 5 §4.7: levels between slashes, wildcards alone in theirs, `#` at the end; `$share/GROUP/` before it (§4.8.2). */
function readFilter(text: string): TopicFilter | Wrong {
  if (text === '') return { message: 'the topic is empty' };
  if (Buffer.byteLength(text) > maxTopicBytes) return { message: `the topic has more than ${maxTopicBytes} bytes` };
  if (text.includes('\0')) return { message: 'the topic holds a NUL character' };
  const shared = /^\$share\/([^/]*)\/(.*)$/s.exec(text);
  if (text.startsWith('$share/') && !shared) return { message: `"${text}" names no topic after $share/`, hint: 'Write $share/GROUP/TOPIC' };
  if (shared && (shared[1] === '' || /[+#{}]/.test(shared[1]!))) {
    return { message: `"${shared[1]}" is not the name of a share group`, hint: 'Write $share/GROUP/TOPIC; GROUP holds none of + # { }' };
  }
  const filter = shared ? shared[2]! : text;
  if (filter === '') return { message: `"${text}" names no topic after its share group` };
  const levels: Level[] = [];
  const captures: string[] = [];
  const parts = filter.split('/');
  for (const [i, part] of parts.entries()) {
    const capture = capturePattern.exec(part)?.[1];
    if (capture !== undefined) {
      if (captures.includes(capture))
        return { message: `{${capture}} stands twice in "${text}"`, hint: 'Give each placeholder its own name' };
      captures.push(capture);
      levels.push({ kind: 'capture', name: capture });
    } else if (part === '+') levels.push({ kind: 'any' });
    else if (part === '#') {
      if (i < parts.length - 1)
        return { message: `# is not the last level of "${text}"`, hint: 'Write + for one level; # stands for all that follow' };
      levels.push({ kind: 'rest' });
    } else if (/[+#]/.test(part)) {
      return { message: `"${part}" mixes a wildcard with text`, hint: 'Write + or # alone between slashes' };
    } else if (/[{}]/.test(part)) {
      return { message: `"${part}" is not a placeholder`, hint: 'Write {name} as a level of its own; the name has letters, digits and _' };
    } else levels.push({ kind: 'text', text: part });
  }
  const plain = levels.map(levelText).join('/');
  return { text, subscription: shared ? `$share/${shared[1]}/${plain}` : plain, levels, captures };
}

const levelText = (level: Level): string => (level.kind === 'text' ? level.text : level.kind === 'rest' ? '#' : '+');

/** Whether every topic that `narrow` matches is matched by `wide` too; both as the broker is asked for them. */
export function covers(wide: string, narrow: string): boolean {
  if (wide === narrow) return true;
  if (wide.startsWith('$share/') || narrow.startsWith('$share/')) return false;
  const [w, n] = [wide.split('/'), narrow.split('/')];
  // Wildcards at the start do not match $SYS and its like (MQTT 5 §4.7.2).
  if ((w[0] === '+' || w[0] === '#') && n[0]!.startsWith('$')) return false;
  for (const [i, level] of w.entries()) {
    if (level === '#') return true;
    const other = n[i];
    if (other === undefined || other === '#') return false;
    if (level !== '+' && level !== other) return false;
  }
  return n.length === w.length;
}

/** The fewest subscriptions that bring every topic of `filters` once where they nest; in the order they were given. */
export function outermost(filters: readonly string[]): readonly string[] {
  const distinct = [...new Set(filters)];
  return distinct.filter((filter) => !distinct.some((other) => other !== filter && covers(other, filter)));
}

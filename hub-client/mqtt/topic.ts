import { type AddressTemplate, addressTemplate, type Placeholder, templateProblems } from '../delivery/template.ts';

export const defaultTopic = '{path}/{equipment}/{message}';
export const defaultStatusTopic = '{source}/status';

/** An MQTT string has a 16-bit length (MQTT 5.0 §1.5.4). */
export const maxTopicBytes = 65_535;

/**
 * What a level may not hold: separator, wildcards, `$` (which brokers read as theirs), blanks and control characters, code points that
 * brokers refuse as no text, and `%`, so that the encoding can be undone.
 */
const unsafe = /[\p{Cc}\p{Zs}\p{Noncharacter_Code_Point}%/+#$]/gu;

/** One value as one topic level: what is unsafe is percent-encoded as in an URL. `decodeURIComponent` undoes it. */
export function topicLevel(value: string): string {
  return value.toWellFormed().replace(unsafe, encodeURIComponent);
}

export const topicTemplate = (text: string): AddressTemplate => addressTemplate(text, { escape: topicLevel });

/** What is wrong with a template as an MQTT topic, for a person. */
export function topicProblems(text: string, allowed?: readonly Placeholder[]): readonly string[] {
  const problems = [...templateProblems(text, allowed)];
  const literal = text.replace(/\{[^{}]*\}/g, '');
  if (/[+#]/.test(literal)) problems.push('+ and # are wildcards of subscriptions; a message needs one topic');
  if (/[\p{Cc}\p{Zs}]/u.test(literal)) problems.push('it holds a blank or a control character');
  if (text.startsWith('/')) problems.push('a slash in front makes an empty first level; leave it out');
  if (text.startsWith('$')) problems.push('topics that start with $ belong to the broker');
  return problems;
}

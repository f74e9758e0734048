import type { RuleCatalogue } from './rules.ts';

/** One catalogue and the heading it stands under. */
export interface RuleChapter {
  readonly title: string;
  readonly rules: RuleCatalogue;
}

/** The page that every rule id leads to, as Markdown. A rule that two catalogues have is described by the first. */
export function rulesPage(chapters: readonly RuleChapter[]): string {
  const described = new Set<string>();
  const parts = [
    '# What `dragoman check` and `dragoman plan` can say',
    'Each problem names its rule; here is what it means, how it usually comes about, and what to do. Generated from the code.',
  ];
  for (const { title, rules } of chapters) {
    parts.push(`## ${title}`);
    for (const [id, { title: name, meaning, cause, cure, example }] of Object.entries(rules)) {
      if (described.has(id)) continue;
      described.add(id);
      parts.push(`### ${id}`, `**${name}.** ${meaning}`, `Likely cause: ${cause}`, `What to do: ${cure}`);
      if (example) parts.push(`\`\`\`yaml\n${example}\n\`\`\``);
    }
  }
  return `${parts.join('\n\n')}\n`;
}

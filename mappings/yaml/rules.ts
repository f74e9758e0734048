import type { RuleCatalogue } from '../rules.ts';

/** What is said of a file before anything in it is understood. */
export const fileRules: RuleCatalogue = {
  unreadable: {
    title: 'The file or folder cannot be read',
    meaning: 'A path that was given leads to nothing that can be opened.',
    cause: 'A typing error in the path, a folder that is not mounted, or missing rights of the user who runs Dragoman.',
    cure: 'Check the path and its rights; in a container also the volume.',
  },
  'no-files': {
    title: 'The folder holds no mapping',
    meaning: 'A folder was given, and neither it nor a folder below it has a file that ends in .yaml or .yml.',
    cause: 'The wrong folder, or files with another ending.',
    cure: 'Put a mapping file there, or name another folder.',
  },
  'file-too-large': {
    title: 'The file is too large',
    meaning:
      'A mapping has at most 10 MB; larger files are refused without being read. Beyond 3 MB it must be plain YAML (no block text, anchors, escapes), for which the line is named.',
    cause: 'A log, an archive or a database export with the wrong ending.',
    cure: 'Remove it from the folder, or split the mapping: a folder is loaded whole.',
  },
  'not-text': {
    title: 'The file is not UTF-8 text',
    meaning: 'A mapping is YAML in UTF-8. The place is that of the first byte that does not belong there.',
    cause: 'The file was saved as UTF-16 or in a code page of Windows, or is no text at all.',
    cure: 'Save it as UTF-8; most editors offer it under "Save as".',
  },
  'too-many-problems': {
    title: 'More problems than are shown',
    meaning: 'A file shows its first thousand problems.',
    cause: 'One mistake that touches every point, or a file that is no mapping.',
    cure: 'Correct the first ones and check again.',
  },
  'empty-file': {
    title: 'The file is empty',
    meaning: 'Nothing but blank lines and comments was found.',
    cause: 'The file was created and never filled, or the disk was full when it was saved.',
    cure: 'Write the mapping, or remove the file.',
    example: 'equipment: cooker-1',
  },
  'one-document': {
    title: 'More than one YAML document',
    meaning: 'A line `---` begins a second document. Mapping files may hold several, dragoman.yaml may not.',
    cause: 'Two files were joined.',
    cure: 'Keep one document in the file.',
  },
  'yaml-syntax': {
    title: 'The file is not valid YAML',
    meaning: 'The structure of the file cannot be read; the place is where it stops making sense, the cause is there or a little above.',
    cause:
      'A bracket, brace or quote that is not closed, keys of one group in different columns, a tab, or ": " within text that is not quoted.',
    cure: 'Correct the first such place; those after it often follow from it. Indent with spaces.',
    example: 'a: { at: holding 1      # the } is missing',
  },
  'yaml-key': {
    title: 'A key that is no word',
    meaning: 'Keys are words or numbers. A list, a group or nothing stands where a key is expected.',
    cause: 'Brackets or braces at the beginning of a line, or a key that was deleted but for its colon.',
    cure: 'Write a word, or put quotes around it.',
  },
  'yaml-alias': {
    title: 'An alias that leads nowhere or too far',
    meaning: 'An alias (*name) names no anchor (&name), contains itself, or unfolds to a flood of values.',
    cause: 'A text that begins with an asterisk without quotes, or a file that was not written by a person.',
    cure: 'Quote the text, or write the values out; `defaults` is made for what many points share.',
  },
  'duplicate-key': {
    title: 'A key stands twice',
    meaning: 'Only one of the two could count, and which one would be chance.',
    cause: 'A line was copied and not changed.',
    cure: 'Remove or rename one.',
  },
  'duplicate-point': {
    title: 'Two points have one name',
    meaning: 'A point name is unique within its machine. The second one would silently replace the first.',
    cause: 'A line was copied and its name not changed.',
    cure: 'Rename one of them.',
    example: 'temperature: { at: holding 1 }\ntemperature: { at: holding 2 }     # temperature_2',
  },
  'duplicate-equipment': {
    title: 'Two machines have one id',
    meaning: 'An equipment id is unique in a gateway. Both files are refused: which one is meant must not depend on the order of files.',
    cause: 'A file was copied as the beginning of a new one, or a backup lies in the same folder.',
    cure: 'Give each machine its id, or remove the copy.',
  },
};

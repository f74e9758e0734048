import { writeWhole } from '../../deployments/whole-file.ts';

/** Whole or not at all, also over a kill or a power cut; readable for the group, which may make back-ups. */
export const writeDurably = (path: string, content: string | Uint8Array): Promise<void> =>
  writeWhole(path, content, { file: 0o640, folder: 0o750 });

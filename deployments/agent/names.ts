import { containerName } from '../engine/labels.ts';

/** Which making of the module a container is; the record on disk says which one counts. */
export const attemptLabel = 'dragoman.attempt';

/** What a container is called until it counts. */
export const temporaryName = (module: string, attempt: string): string => `${containerName(module)}.${attempt}`;

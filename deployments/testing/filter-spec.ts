import type { ModuleSpec } from '../contract.ts';

/** A module of a manifest, called filter. */
export const filterSpec = (more: Partial<ModuleSpec> = {}): ModuleSpec => ({
  name: 'filter',
  version: '1',
  status: 'running',
  restartPolicy: 'always',
  imagePullPolicy: 'on-create',
  startupOrder: 1,
  env: {},
  image: 'box.local/filter:1',
  createOptions: {},
  ...more,
});

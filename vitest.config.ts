import { defineConfig } from 'vitest/config';

const here = (file: string): string => new URL(file, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    // What adapters in packages of their own import; installed, package.json leads them to the same files.
    alias: { 'dragoman/adapter-contract': here('test/contract/adapter.ts'), 'dragoman/adapter': here('adapters/published.ts') },
  },
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**', 'data/**'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two cores are what a CI machine has; each file may start processes of its own.
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/support/closing-line.ts'],
  },
});

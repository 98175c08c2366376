import { defineConfig, type Options } from 'tsup'

/** One ESM build for Node 20; declarations come from tsc, which is faster. */
export const library = (options: Options = {}) =>
  defineConfig({
    entry: ['src/index.ts'],
    format: ['esm'],
    dts: false,
    sourcemap: true,
    clean: true,
    target: 'node20',
    platform: 'node',
    splitting: false,
    ...options,
  })

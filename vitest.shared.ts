import { defineConfig } from 'vitest/config'

const conditions = ['@qpkv/source', 'node', 'import', 'default']

/** Tests run against the sources of every workspace package; no build of TypeScript is needed. */
export default defineConfig({
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: { pool: 'forks', include: ['test/**/*.test.ts'], testTimeout: 30_000 },
})

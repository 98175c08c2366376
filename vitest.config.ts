import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { root, workspacePackages } from './tools/workspace.ts'

const conditions = ['@qpkv/source', 'node', 'import', 'default']

/** One project per package that has tests. They run against the sources of every workspace package; no build of TypeScript is needed. */
export default defineConfig({
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/.new-*/**'], // packages that a test writes
    testTimeout: 30_000,
    projects: workspacePackages()
      .filter(({ folder }) => existsSync(join(root, folder, 'test')))
      .map(({ folder, name }) => ({ extends: true as const, root: folder, test: { name } })),
  },
})

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      'packages/*/vitest.config.ts',
      'packages/{pruners,quantizers}/*/vitest.config.ts',
      'integration/vitest.config.ts',
    ],
  },
})

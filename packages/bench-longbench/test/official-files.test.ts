import { expect, test } from 'vitest'
import { jiebaTableFiles, longBenchConfigFiles } from '../src/index.ts'

test('official files are pinned by commit and checksum', () => {
  for (const file of [...longBenchConfigFiles, ...jiebaTableFiles]) {
    expect(file.commit).toMatch(/^[0-9a-f]{40}$/)
    expect(file.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(file.path.endsWith(file.saveAs.split('/').pop() ?? '?')).toBe(true)
  }
})

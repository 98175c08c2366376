// Loads a model with a packed cache, again and again from nothing: load-packed.ts CACHE MODEL. It is there to be killed.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel } from '../../../src/index.ts'

const [cache = '', model = ''] = process.argv.slice(2)
process.stdout.write('started\n')
for (;;) {
  await (await loadModel(model, { threads: 2, packedCache: cache, weights: 'int4' })).dispose()
  rmSync(join(cache, 'packed'), { recursive: true, force: true })
}

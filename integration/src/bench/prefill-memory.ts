// Peak memory of a long prefill: it grows by the hidden states and one layer's K and V, not by every layer's full cache.
// One process per row, because a process's peak never falls.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { parseSpec } from '@qpkv/spec'
import { randomIds } from './measure.ts'
import { writeRandomGguf, type Shape } from './random-gguf.ts'

/** Many layers and little weight, so that a cache of all layers would stand out. */
const shape: Shape = {
  layers: 16,
  hidden: 512,
  queryHeads: 8,
  kvHeads: 8,
  headDim: 64,
  intermediate: 512,
  vocab: 4096,
}
const MIB = 2 ** 20

/** Resident memory and its peak since `clear_refs` was written, in MiB (Linux). */
const memory = (field: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024

if (process.argv[2] === 'child') {
  const [, , , file = '', tokens = '0', spec = ''] = process.argv
  const model = await loadModel(file, { threads: 2, methods: registry })
  // A short prompt first: buffers that do not grow with the prompt exist then.
  await (await model.prefill(randomIds(600, shape.vocab), { compression: parseSpec('none+none') })).dispose()
  writeFileSync('/proc/self/clear_refs', '5') // the peak of loading does not count
  const before = memory('VmRSS')
  const context = await model.prefill(randomIds(Number(tokens), shape.vocab), {
    compression: parseSpec(spec),
  })
  console.log(JSON.stringify({ before, peak: memory('VmHWM'), cache: context.bytes / MIB }))
  await context.dispose()
  await model.dispose()
} else {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-memory-'))
  try {
    const file = join(folder, 'random.gguf')
    writeRandomGguf(file, shape, 'bf16')
    const bytesPerToken = {
      hidden: 4 * shape.hidden,
      layer: 2 * 4 * shape.kvHeads * shape.headDim,
      full: shape.layers * 2 * 2 * shape.kvHeads * shape.headDim,
    }
    for (const tokens of [4096, 8192, 16384])
      // Slots shared by all layers hold exact K and V until the end; a replay is as long as the prompt.
      for (const spec of [
        'snapkv+kivi:bits=4@512t',
        'none+none',
        ...(tokens === 4096
          ? ['snapkv~~model-wide+kivi:bits=4@512t', 'kvzip~~none+kivi:bits=4@512t', 'kvzip+kivi:bits=4@512t']
          : []),
      ]) {
        const child = spawnSync(
          process.execPath,
          [...process.execArgv, fileURLToPath(import.meta.url), 'child', file, String(tokens), spec],
          { encoding: 'utf8' },
        )
        if (child.status !== 0) throw new Error(child.stderr)
        const { before, peak, cache } = JSON.parse(child.stdout) as {
          before: number
          peak: number
          cache: number
        }
        const must = (tokens * (bytesPerToken.hidden + bytesPerToken.layer)) / MIB
        console.log(
          `${String(tokens).padStart(6)} tokens ${spec.padEnd(24)} grew by ${(peak - before).toFixed(0).padStart(5)} MiB ` +
            `(hidden states + one layer's K and V ${must.toFixed(0)} MiB, the same K and V as panels of the attention kernel ` +
            `${((tokens * bytesPerToken.layer) / MIB).toFixed(0)} MiB, cache ${cache.toFixed(1)} MiB; a 16-bit cache of all layers ${((tokens * bytesPerToken.full) / MIB).toFixed(0)} MiB)`,
        )
      }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

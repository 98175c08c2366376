import { open } from 'node:fs/promises'
import type { ModelConfig } from './config.ts'
import type { WeightFiles } from './weight-files.ts'

const CHUNK_BYTES = 4 << 20

/**
 * The configuration with a `tiedHead` that the weights bear out. Where config.json ties the head to the embedding but
 * the files hold a head of its own, with other values, they are right: it is what the model was trained with.
 */
export async function detectTiedHead(config: ModelConfig, weights: WeightFiles): Promise<ModelConfig> {
  if (!config.tiedHead) return config
  const [embed, head] = ['embed', 'head'].map((part) =>
    weights.tensors.get(`${config.architecture.tensors[part as 'embed' | 'head']}.weight`),
  )
  if (!embed || !head || (await sameValues(weights, embed, head))) return config
  return { ...config, tiedHead: false }
}

type Entry = WeightFiles['tensors'] extends ReadonlyMap<string, infer E> ? E : never

async function sameValues({ files }: WeightFiles, a: Entry, b: Entry): Promise<boolean> {
  if (a.dtype !== b.dtype || a.bytes !== b.bytes) return false
  const [left, right] = await Promise.all([a, b].map((entry) => open(files[entry.file] ?? '', 'r')))
  try {
    const [one, other] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)]
    for (let at = 0; at < a.bytes; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, a.bytes - at)
      await Promise.all([
        left?.read(one, 0, length, a.offset + at),
        right?.read(other, 0, length, b.offset + at),
      ])
      if (one.compare(other, 0, length, 0, length) !== 0) return false
    }
    return true
  } finally {
    await Promise.all([left?.close(), right?.close()])
  }
}

import { formatBytes } from '@qpkv/spec'

/** Models that anybody may fetch, of families that qpkv runs, by billions of parameters; stored in 16 bits. */
const MODELS = [
  ['HuggingFaceTB/SmolLM2-135M-Instruct', 0.135],
  ['HuggingFaceTB/SmolLM2-360M-Instruct', 0.362],
  ['Qwen/Qwen2.5-0.5B-Instruct', 0.494],
  ['HuggingFaceTB/SmolLM2-1.7B-Instruct', 1.71],
  ['Qwen/Qwen2.5-3B-Instruct', 3.09],
  ['Qwen/Qwen2.5-7B-Instruct', 7.62],
  ['Qwen/Qwen2.5-14B-Instruct', 14.8],
  ['Qwen/Qwen2.5-32B-Instruct', 32.8],
] as const

/** Ways to keep weights, and about what share of 16-bit weights they take. */
export const WEIGHT_WAYS = [
  ['', 1],
  ['--weights int8', 1 / 1.8],
  ['--weights int4', 1 / 3.2],
] as const

/** Beside weights: a prompt's work, its cache, and Node itself. */
const BESIDE = 2 ** 30

/** The largest model that fits into so many bytes as it is, and those that fit with rounded weights. */
export function fittingModels(free: number): string {
  const named = new Set<string>()
  const found = WEIGHT_WAYS.flatMap(([flag, share]) => {
    const sized = MODELS.map(([name, billions]) => ({ name, bytes: billions * 2e9 * share }))
    const best = sized.filter(({ bytes }) => bytes + BESIDE <= free).at(-1)
    if (!best || named.has(best.name)) return []
    named.add(best.name)
    return [`${best.name}${flag === '' ? '' : ` ${flag}`} (${formatBytes(Math.round(best.bytes))})`]
  })
  return found.length === 0
    ? `${formatBytes(free)} are free, too little for the models that this program knows by name`
    : `${formatBytes(free)} are free, enough for ${found.join(', ')}`
}

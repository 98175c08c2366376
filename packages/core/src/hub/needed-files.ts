/** Files that loading may read beside the weights; only the first must be there. */
export const smallFiles = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
] as const

export const SINGLE_WEIGHTS = 'model.safetensors'
export const WEIGHT_INDEX = 'model.safetensors.index.json'

/** Shards that an index names, sorted; undefined when it is no index or names something that is no file of the folder itself. */
export function shardsOf(index: unknown): string[] | undefined {
  const map = (index as { weight_map?: unknown } | null)?.weight_map
  if (typeof map !== 'object' || map === null) return undefined
  const shards = new Set<unknown>(Object.values(map))
  const valid = [...shards].every((name) => typeof name === 'string' && isShardName(name))
  return valid && shards.size > 0 ? ([...shards] as string[]).sort() : undefined
}

const isShardName = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/.test(name)

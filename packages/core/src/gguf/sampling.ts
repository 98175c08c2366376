import type { MetadataReader } from './metadata-reader.ts'

/** `general.sampling.*` by the names of a generation_config.json. */
const fields: Readonly<Record<string, string>> = {
  top_k: 'top_k',
  top_p: 'top_p',
  min_p: 'min_p',
  temp: 'temperature',
  penalty_repeat: 'repetition_penalty',
}

/** What the file suggests for sampling, in the words of a generation_config.json. */
export function readGgufSampling(metadata: MetadataReader): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [field, name] of Object.entries(fields)) {
    const value = metadata.number(`general.sampling.${field}`)
    if (value !== undefined) values[name] = value
  }
  if (Object.keys(values).length > 0) values['do_sample'] = true
  return values
}

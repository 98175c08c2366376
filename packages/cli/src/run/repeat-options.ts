import type { RunIdentity } from '@qpkv/bench-kit'
import { plainForm, promptForms } from '@qpkv/bench-needle'
import { KvError, type JsonObject } from '@qpkv/spec'
import { given } from '../bench/option-reader.ts'

/** Where things lie now: a result file holds hashes of them, not paths. */
export interface RepeatPaths {
  readonly data?: string
  readonly config?: string
  readonly assets?: string
  readonly essays?: string
  readonly prompt?: string
}

/** The options of a run from what its file says; paths come from the command line. */
export function repeatOptions({ bench, task }: RunIdentity, flags: RepeatPaths): JsonObject {
  const { data, config, assets: folder, essays, prompt } = flags
  const paths = given({ data, config, assets: folder, essays, prompt })
  if (bench === 'needle') {
    const { haystack } = task
    if (typeof haystack === 'string' && !haystack.startsWith('world ')) need(paths, 'essays', 'essays')
    return { ...gridOptions(task), ...paths }
  }
  const { source, data: _hash, prompts: _prompts, notice: _notice, ...rules } = task
  const { files, assets, scripts: _scripts, ...read } = source as JsonObject
  if (files === true) need(paths, 'data', 'data files')
  if (files === true && bench === 'longbench-v2') need(paths, 'prompt', 'a prompt file')
  if (typeof assets === 'string' && assets !== 'own') need(paths, 'assets', `the assets "${assets}"`)
  return { ...rules, ...read, ...paths }
}

function need(paths: JsonObject, name: string, what: string): void {
  if (paths[name] !== undefined) return
  throw new KvError('KV_INVALID_OPTION', `The run read ${what}; say where to find them now.`, {
    hint: `Add --${name} PATH.`,
  })
}

/** A grid's options; its prompt form stands in the file as text. */
function gridOptions(task: JsonObject): JsonObject {
  const { form: text, haystack, maxTokens, sentenceEnds, notice: _notice, ...same } = task
  const forms = { plain: plainForm, ...promptForms }
  const form = Object.entries(forms).find(([, one]) => one.text === text)?.[0]
  if (form === undefined)
    throw new KvError('KV_UNSUPPORTED', 'The prompt form of this file has no name here.', {
      hint: `Known: ${Object.keys(forms).join(', ')}. Another version of qpkv made this file; repeat it with that one.`,
    })
  const seed = /^world (\d+)$/.exec(typeof haystack === 'string' ? haystack : '')?.[1]
  return given({
    ...same,
    form,
    newTokens: maxTokens,
    sentenceEnds: sentenceEnds ?? undefined,
    seed: seed === undefined ? undefined : Number(seed),
  })
}

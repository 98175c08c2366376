import { modelFingerprint, type Model } from '@qpkv/core'
import { versionFacts, type ModelIdentity } from '@qpkv/bench-kit'
import { basename } from 'node:path'
import { packageVersions } from '../package-versions.ts'

/** What made a result: packages, Node and op table. */
export const benchVersions = (model: Model): Readonly<Record<string, string>> =>
  versionFacts({
    ...packageVersions(),
    ops: [model.table, model.precision, ...weightsWords(model), `${model.threads} threads`].join(', '),
  })

const weightsWords = (model: Model) => (weightsOf(model) === undefined ? [] : [`${weightsOf(model)} weights`])

/** How files name a model: a folder by its last part, a model of the hub by its name there (its folder is a commit). */
export const modelName = ({ folder }: Model, given: string): string =>
  given === 'reference' || /^[0-9a-f]{40}$/.test(basename(folder)) ? given : basename(folder)

/** The weights' mode where it changes answers: rounded ones, and codes of a file that are read as values. */
function weightsOf({ weights: { mode }, folder }: Model): string | undefined {
  const changes = mode === 'stored' ? folder.endsWith('.gguf') : mode !== 'auto'
  return changes ? mode : undefined
}

/**
 * The model as result files hold it. A precision other than the usual one and weights other than the file's change answers
 * and are part of it.
 */
export const modelIdentity = async (model: Model, given: string): Promise<ModelIdentity> => ({
  name: modelName(model, given),
  fingerprint: await modelFingerprint(model.folder),
  ...(model.precision === 'bf16' ? {} : { precision: model.precision }),
  ...weightsField(weightsOf(model)),
})

const weightsField = (weights: string | undefined) => (weights === undefined ? {} : { weights })

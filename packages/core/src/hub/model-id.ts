import { kvError } from '../errors.ts'

/** A model on a hub: `org/name`, or `org/name@revision` (a branch, a tag or a commit). */
export interface ModelId {
  readonly repository: string
  readonly revision: string
}

// One folder per part in the cache, so a part is a plain file name: no separators, no leading dot, nothing that joins with `--`.
const PART = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/
const REVISION = /^[A-Za-z0-9_][A-Za-z0-9._/-]{0,127}$/

/** Undefined for what is no hub name at all, such as a path. */
export function parseModelId(text: string): ModelId | undefined {
  const at = text.indexOf('@')
  const repository = at < 0 ? text : text.slice(0, at)
  const revision = at < 0 ? 'main' : text.slice(at + 1)
  const parts = repository.split('/')
  if (parts.length !== 2 || !parts.every((part) => PART.test(part) && !/--|\.\./.test(part))) return undefined
  if (!REVISION.test(revision) || revision.split('/').some((part) => part === '' || part.startsWith('.')))
    throw kvError(
      'KV_DOWNLOAD',
      `Expected a branch, a tag or a commit after the @ of ${repository}@… but received ${JSON.stringify(revision)}.`,
      `Type ${repository}@main, or a commit of the repository.`,
    )
  return { repository, revision }
}

/** 40 hexadecimal digits name one commit for ever; everything else may move. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision)

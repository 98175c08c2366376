import { isId, Part, wrong } from './part.ts'

/** Tokens around a text. */
export interface Around {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

const nothing: Around = { before: [], after: [] }

/** @throws KV_TOKENIZER for types that are not obeyed. */
export function readPostProcessor(part: Part | undefined): Around {
  switch (part?.type) {
    case undefined:
    case 'ByteLevel': // about offsets
      return nothing
    case 'Sequence':
      return part
        .parts('processors')
        .map(readPostProcessor)
        .reduce(
          ({ before, after }, outer) => ({
            before: [...outer.before, ...before],
            after: [...after, ...outer.after],
          }),
          nothing,
        )
    case 'RobertaProcessing':
      return { before: [pairId(part, 'cls')], after: [pairId(part, 'sep')] }
    case 'BertProcessing':
      return { before: [pairId(part, 'cls')], after: [pairId(part, 'sep')] }
    case 'TemplateProcessing':
      return readTemplate(part)
    default:
      throw part?.unknown()
  }
}

function pairId(part: Part, name: string): number {
  const [, id] = part.list(name)
  if (isId(id)) return id
  throw wrong('a token and its id', `${name} in ${part.path}`, part.raw(name))
}

function readTemplate(part: Part): Around {
  const special = new Part(part.raw('special_tokens') ?? {}, `special_tokens of ${part.path}`)
  const [before, after]: [number[], number[]] = [[], []]
  let text = 0
  for (const [i, piece] of part.list('single').entries()) {
    const [kind, value] = Object.entries(piece as object)[0] ?? []
    const id: unknown = (value as { id?: unknown } | undefined)?.id
    if (kind === 'Sequence' && id === 'A') text++
    else if (kind === 'SpecialToken' && typeof id === 'string')
      (text === 0 ? before : after).push(...idsOf(special, id))
    else throw wrong('a SpecialToken or the Sequence A', `single[${i}] of ${part.path}`, piece)
  }
  if (text !== 1) throw wrong('the Sequence A once', `single of ${part.path}`, part.raw('single'))
  return { before, after }
}

function idsOf(special: Part, token: string): number[] {
  const ids: unknown = (special.raw(token) as { ids?: unknown } | undefined)?.ids
  if (Array.isArray(ids) && ids.every(isId)) return ids
  throw wrong('a list of token ids', `ids of ${token} in ${special.path}`, ids)
}

import type { OpenConstraint } from '../grammar/json-grammars.ts'

/** A tool that a reply may call: the tokens of its name and of what stands behind it, and what holds from there on. */
export interface ToolPath {
  readonly tokens: readonly number[]
  readonly rest: OpenConstraint | undefined
}

/**
 * A constraint by which the reply begins with one of these, whichever the model finds likeliest token by token, and goes on as that one
 * says.
 */
export function chooseTool(paths: readonly ToolPath[], vocabSize: number): OpenConstraint {
  const words = Math.ceil(vocabSize / 32)
  let at = 0
  let left = paths
  /** The one whose tokens are all there. */
  let chosen: ToolPath | undefined = undefined as ToolPath | undefined
  const longer = () => left.filter(({ tokens }) => tokens.length > at)
  return {
    async allowed() {
      const open = longer()
      const mask = chosen ? await chosen.rest?.allowed() : new Int32Array(words)
      if (open.length === 0 || mask === undefined) return mask
      const all = Int32Array.from(mask)
      for (const { tokens } of open) {
        const next = tokens[at] ?? 0
        all[next >> 5]! |= 1 << (next & 31)
      }
      return all
    },
    async accept(token) {
      const on = longer().filter(({ tokens }) => tokens[at] === token)
      if (on.length === 0) {
        left = []
        await chosen?.rest?.accept(token)
        return
      }
      left = on
      at++
      chosen = on.find(({ tokens }) => tokens.length === at)
    },
    async end() {
      for (const { rest } of paths) await rest?.end()
    },
  }
}

/** Codes [heads, tokens, dim] and reads the values back. */
export type Coder = (values: Float32Array, tokens: number) => Float32Array

/**
 * One tensor of the released quantized cache. A layer that is quantized has its whole prompt coded; later tokens stay
 * exact until a flush codes the whole sequence again. A layer that is not (`code` left out) has its prompt and all later
 * tokens in the residual, however long that gets: nothing is ever flushed.
 */
export class ReleasedCache {
  #coded: Float32Array
  #codedTokens: number
  /** [tokens][heads * dim] */
  #residual: Float32Array[] = []
  readonly #heads: number
  readonly #dim: number
  readonly #limit: number
  readonly #code: Coder | undefined

  /** `prompt` is [heads, tokens, dim], `limit` the residual length of the configuration. */
  constructor(prompt: Float32Array, heads: number, dim: number, limit: number, code: Coder | undefined) {
    this.#heads = heads
    this.#dim = dim
    this.#limit = limit
    this.#code = code
    const tokens = prompt.length / (heads * dim)
    this.#codedTokens = code ? tokens : 0
    this.#coded = code ? code(prompt, tokens) : new Float32Array(0)
    if (code) return
    for (let t = 0; t < tokens; t++) {
      const token = new Float32Array(heads * dim)
      for (let h = 0; h < heads; h++)
        token.set(prompt.subarray((h * tokens + t) * dim, (h * tokens + t + 1) * dim), h * dim)
      this.#residual.push(token)
    }
  }

  get residual(): number {
    return this.#residual.length
  }

  /** Takes one token [heads, dim]; returns what attention sees [heads, tokens, dim] and whether the sequence was coded again. */
  step(token: Float32Array): { seen: Float32Array; flushed: boolean } {
    const tokens = this.#codedTokens + this.#residual.length + 1
    const seen = new Float32Array(this.#heads * tokens * this.#dim)
    for (let h = 0; h < this.#heads; h++) {
      seen.set(
        this.#coded.subarray(h * this.#codedTokens * this.#dim, (h + 1) * this.#codedTokens * this.#dim),
        h * tokens * this.#dim,
      )
      for (const [i, exact] of [...this.#residual, token].entries())
        seen.set(
          exact.subarray(h * this.#dim, (h + 1) * this.#dim),
          (h * tokens + this.#codedTokens + i) * this.#dim,
        )
    }
    const code =
      this.#residual.length > 0 && this.#residual.length + 1 >= this.#limit ? this.#code : undefined
    if (code) {
      this.#coded = code(seen, tokens)
      this.#codedTokens = tokens
      this.#residual = []
    } else this.#residual.push(token)
    return { seen, flushed: code !== undefined }
  }
}

/** What a spec made of one excerpt of text under one protocol. */
export interface Outcome {
  /** Per question that the full cache answers: 1 where the compressed one gives the same answer, token for token. */
  readonly kept: readonly number[]
  /** Mean KL(full || compressed) of the next token's distribution in nats, over answers and the text that follows. */
  readonly kl: number
  /** Share of these tokens whose likeliest is the full cache's. */
  readonly top1: number
}

/** What the full cache made of it. */
export interface Baseline {
  readonly asked: number
  readonly found: number
}

/** Sums on their way to an outcome. */
export class Tally {
  private readonly kept: number[] = []
  private kl = 0
  private agreeing = 0
  private tokens = 0

  answer(kept: boolean): void {
    this.kept.push(kept ? 1 : 0)
  }

  /** Means over so many tokens. */
  add(tokens: number, { kl, top1 }: { readonly kl: number; readonly top1: number }): void {
    this.kl += tokens * kl
    this.agreeing += tokens * top1
    this.tokens += tokens
  }

  outcome(): Outcome {
    const per = Math.max(1, this.tokens)
    return { kept: this.kept, kl: this.kl / per, top1: this.agreeing / per }
  }
}

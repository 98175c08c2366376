/** What a spec made of one prompt, in sums that join. */
export interface PromptOutcome {
  /** Per question that the full cache answers: 1 where the compressed one gives the same answer, token for token. */
  readonly kept: readonly number[]
  /** Tokens whose distributions were compared: of answers, and of the text that follows. */
  readonly tokens: number
  /** Sum over these of KL(full || compressed), nats. */
  readonly kl: number
  /** How many of them have the full cache's likeliest token. */
  readonly agreeing: number
}

/** What a spec made of one excerpt of text under one protocol. */
export interface Outcome {
  readonly kept: readonly number[]
  /** Mean KL of the next token's distribution in nats, over answers and the text that follows. */
  readonly kl: number
  /** Share of these tokens whose likeliest is the full cache's. */
  readonly top1: number
}

/** What the full cache made of a prompt. */
export interface Baseline {
  readonly asked: number
  readonly found: number
}

export function joinOutcomes(prompts: readonly PromptOutcome[]): Outcome {
  const sum = (of: (one: PromptOutcome) => number) => prompts.reduce((total, one) => total + of(one), 0)
  const tokens = Math.max(
    1,
    sum((one) => one.tokens),
  )
  return {
    kept: prompts.flatMap(({ kept }) => kept),
    kl: sum(({ kl }) => kl) / tokens,
    top1: sum(({ agreeing }) => agreeing) / tokens,
  }
}

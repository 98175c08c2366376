import { smallLlama } from '../../support/random-model.ts'

/** A tiny Llama for tests of contexts; its weights are random. */
export const smallConfig = { ...smallLlama, num_hidden_layers: 3, vocab_size: 211 }

/** Token ids of its vocabulary. */
export const smallPrompt = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * 53 + 7 * (i % 11)) % 211)

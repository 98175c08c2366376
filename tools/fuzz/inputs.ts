import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mutate } from './mutate.ts'
import { FuzzRandom } from './random.ts'

export interface Inputs {
  /** The seeds themselves come first. */
  readonly seeds: number
  /** The input of one iteration, the same for ever. */
  readonly at: (iteration: number) => Uint8Array
}

/** The inputs of a corpus folder and a seed. */
export function inputsOf(corpus: string, seed: number): Inputs {
  const seeds: Uint8Array[] = readdirSync(corpus)
    .sort()
    .map((file) => readFileSync(join(corpus, file)))
  return {
    seeds: seeds.length,
    at: (iteration) => seeds[iteration] ?? mutate(new FuzzRandom(seed, iteration), seeds),
  }
}

import { median } from '../bench/measure.ts'
import { ratioInterval, holdsOne, runRounds, type Interval } from './paired.ts'
import { FULL, type Bench } from './sections.ts'

/** What one spec adds to the prompt's time, against a full 16-bit cache in the same rounds. */
export interface MethodCost {
  readonly spec: string
  readonly prefillMs: number
  /** Its time over that of the full cache, with 95 %. */
  readonly ratio: number
  readonly interval: Interval
  readonly measured: boolean
}

/** Every pruner whose scores cost something, and quantizers, each alone. */
const specs = [
  'streamingllm+none@512t',
  'snapkv+none@512t',
  'pyramidkv+none@512t',
  'tova+none@512t',
  'h2o+none@512t',
  'expected-attention+none@512t',
  'none+kivi:bits=4',
  'none+kivi:bits=2',
  'none+layerquant',
  'snapkv+kivi:bits=4@512t',
]

/** Prompts of so many tokens under each spec in turn; the model that `ours` holds is read. */
export async function methodCosts(bench: Bench, tokens: number, rounds: number): Promise<MethodCost[]> {
  const again = `${FULL} again`
  const lanes = [FULL, again, ...specs].map((name) => ({
    name,
    measure: () => bench.ours.call('prefill', { caches: [name === again ? FULL : name], tokens }),
  }))
  const { values } = await runRounds(lanes, {
    least: rounds,
    most: rounds,
    same: [FULL, again],
    width: 0,
    good: async () => (await bench.probe.measure()).good,
  })
  const full = values.get(FULL) ?? []
  const measured = full.length >= rounds && holdsOne(ratioInterval(values.get(again) ?? [], full))
  return [again, ...specs].map((spec) => {
    const own = values.get(spec) ?? []
    return {
      spec,
      prefillMs: median(own),
      ratio: median(own) / median(full),
      interval: ratioInterval(own, full),
      measured,
    }
  })
}

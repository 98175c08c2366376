import { pythonSplit } from '@qpkv/bench-kit'
import { formatTemplate } from '../python/python-text.ts'
import type { DraftMaker } from './draft.ts'
import { fitSample } from './fit-sample.ts'
import type { GeneratorContext } from './generator-context.ts'
import { searchSize, tripleEstimate } from './sizing.ts'
import type { TaskRun } from './task-run.ts'
import { drawChain, drawName, drawValue, EXAMPLE_VALUE, HOPS, insertChain } from './variable-chains.ts'

const EXAMPLE_BUDGET = 500

/** Variable tracking, current scripts: an example with names and value drawn anew stands before each sample. */
export function variableTrackingRun(context: GeneratorContext): TaskRun {
  const tokens = (text: string): number => context.tokens(text)
  const makeExample = plainMaker(context, 'example')
  const exampleSizing = {
    make: makeExample,
    increment: 5,
    budget: EXAMPLE_BUDGET - context.templateTokens,
    reserve: 0,
    tokens,
  }
  const exampleSize = searchSize({ ...exampleSizing, probe: 5, estimate: tripleEstimate })
  const drawn = fitSample({ ...exampleSizing, size: exampleSize, lengthOf: tokens, retreat: true }, 0)
  const example = `${drawn.text} ${drawn.answers.join(' ')}\n`

  const increment = context.nominalLength < 4096 ? 5 : 10
  const makeSample = plainMaker(context, 'sample')
  const size = searchSize({
    make: makeSample,
    increment,
    budget: context.budget,
    reserve: tokens(example) + context.newTokens,
    tokens,
    probe: increment,
    estimate: tripleEstimate,
  })
  const make: DraftMaker = (units, index) => {
    const draft = makeSample(units, index)
    return { ...draft, text: `${randomizeExample(context, example)}\n${draft.text}` }
  }
  return { make, size, increment, lengthOf: (text) => tokens(text) + context.newTokens, retreat: true }
}

function plainMaker(context: GeneratorContext, kind: 'example' | 'sample'): DraftMaker {
  const { tasks, noise } = context.assets.templates
  const { template, answerPrefix } = tasks.variable_tracking
  return (units) => {
    const chain = drawChain(context, kind)
    const lines = insertChain(
      context,
      Array.from({ length: Math.max(0, units) }, () => noise),
      chain.lines,
    )
    const slots = {
      context: lines.join('\n').replaceAll('. \n', '.\n'),
      query: chain.value,
      num_v: String(HOPS + 1),
    }
    return { text: formatTemplate(template + answerPrefix, slots), answers: chain.names }
  }
}

/** New names and a new value for the example, by text replacement as the original does. */
function randomizeExample(context: GeneratorContext, example: string): string {
  let text = example
  for (const name of pythonSplit(example).slice(-HOPS - 1)) {
    text = text.replaceAll(name, drawName(context, name.length))
  }
  return text.replaceAll(EXAMPLE_VALUE, drawValue(context))
}

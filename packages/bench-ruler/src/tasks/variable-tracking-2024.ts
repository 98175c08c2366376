import { pythonSplit, pythonStrip, dataError } from '@qpkv/bench-kit'
import { formatTemplate } from '../python/python-text.ts'
import { reprList } from '../python/python-repr.ts'
import type { DraftMaker } from './draft.ts'
import { fitSample } from './fit-sample.ts'
import type { GeneratorContext } from './generator-context.ts'
import { growSize } from './sizing.ts'
import type { TaskRun } from './task-run.ts'
import { drawChain, HOPS, insertChain } from './variable-chains.ts'

const EXAMPLE_BUDGET = 500

/**
 * Variable tracking, scripts of 2024-04: one example, drawn once, stands before every sample; its prompt is
 * collapsed to one line and loses the last word before the answer prefix.
 */
export function variableTracking2024Run(context: GeneratorContext): TaskRun {
  const tokens = (text: string): number => context.tokens(text)
  const withAnswers = (text: string, answers: readonly string[]): string => `${text} ${reprList(answers)}`
  const { template, answerPrefix } = context.assets.templates.tasks.variable_tracking

  const makeExample = plainMaker(context, 'example', exampleTemplate(context))
  const exampleSizing = {
    make: makeExample,
    increment: 5,
    budget: EXAMPLE_BUDGET,
    reserve: context.newTokens,
    tokens,
  }
  const exampleSize = growSize({ ...exampleSizing, withAnswers })
  const lengthOfExample = (text: string): number => tokens(text) + context.newTokens
  const drawn = fitSample(
    { ...exampleSizing, size: exampleSize, lengthOf: lengthOfExample, retreat: false },
    0,
  )
  const example = `${drawn.text} ${drawn.answers.join(' ')}\n\n`

  const make = plainMaker(context, 'sample', template + answerPrefix)
  const reserve = context.newTokens + tokens(example)
  const size = growSize({ make, increment: 10, budget: context.budget, reserve, tokens, withAnswers })
  return {
    make,
    size,
    increment: 10,
    lengthOf: (text) => tokens(text) + reserve,
    retreat: false,
    finish: (text) => ` ${example}\n\n${text}`,
  }
}

function exampleTemplate(context: GeneratorContext): string {
  const { template, answerPrefix } = context.assets.templates.tasks.variable_tracking
  const whole = template + answerPrefix
  const cut = whole.indexOf(answerPrefix.slice(0, 10))
  if (cut < 0) throw dataError(context.assets.name, 'the answer prefix of variable_tracking is empty')
  return pythonSplit(whole.slice(0, cut)).slice(0, -1).join(' ') + whole.slice(cut)
}

function plainMaker(context: GeneratorContext, kind: 'example' | 'sample', template: string): DraftMaker {
  return (units) => {
    const chain = drawChain(context, kind)
    let lines = Array.from({ length: Math.max(0, units) }, () => `${context.assets.templates.noise}\n`)
    let links = chain.lines
    if (lines.length <= links.length) {
      lines = lines.flatMap(splitAtDots)
      if (lines.length <= links.length) links = links.slice(0, Math.max(0, lines.length - 1))
    }
    const text = insertChain(context, lines, links).join(' ').replaceAll('. \n', '.\n')
    const slots = { context: text, query: chain.value, num_v: String(HOPS + 1) }
    return { text: formatTemplate(template, slots), answers: chain.names }
  }
}

/** Sentences of a noise line, each with its dot again; what holds no words stays as it is. */
function splitAtDots(line: string): string[] {
  return line.split('.').map((part) => (pythonStrip(part) === '' ? part : `${part}.`))
}

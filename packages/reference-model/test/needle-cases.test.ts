import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isRight, needleCases, type NeedleCaseOptions } from '../src/index.ts'
import { countTokens } from './count-tokens.ts'

interface GoldenText {
  readonly context: string
  readonly tokens: number
  readonly questions: readonly string[]
  readonly answers: readonly string[]
}

const goldens = readFileSync(new URL('goldens/tradeoff-form.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as GoldenText)

const aware: NeedleCaseOptions = {
  seed: 7,
  tokens: 1024,
  keys: 16,
  samples: 4,
  countTokens,
  protocol: 'query-aware',
}
const agnostic: NeedleCaseOptions = { ...aware, protocol: 'query-agnostic', questionsPerText: 4 }

const needle =
  /^(One of the special magic numbers for \S+ is:|The special magic number for \S+ is:?) [1-9]\d{6}\.$/
const hay = [
  /^The \w+ \w+ \w+ the \w+ \w+ the \w+ \w+\.$/,
  /^[A-Z]\w+ \w+ the \w+ and \w+ the \w+ \w+\.$/,
  /^In [A-Z]\w+, the \w+ \w+ the \w+ \w+\.$/,
  /^A \w+ \w+ \w+ the \w+ \w+ [A-Z]\w+\.$/,
  /^[A-Z]\w+ of [A-Z]\w+ \w+ the \w+, but the \w+ \w+ the \w+ \w+\.$/,
  /^It took \d{1,3} days until the \w+ \w+ the \w+\.$/,
]
const questionForm =
  /^\nQuestion: What is the (special magic number for \S+?( mentioned in the provided text)?)\?\nAnswer: The \1 is$/

const split = (prompt: string) => {
  const at = prompt.indexOf('\n')
  return at < 0 ? { text: prompt, question: '' } : { text: prompt.slice(0, at), question: prompt.slice(at) }
}
const sentences = (text: string) => text.split(/(?<=\.)(?= )/).map((part) => part.slice(1))

/** Hidden numbers of a text whose sentences all have a known form. */
function hiddenIn(text: string): number {
  expect(text).toMatch(/^ \S/)
  let hidden = 0
  for (const part of sentences(text)) {
    if (needle.test(part)) hidden += 1
    else
      expect(
        hay.some((form) => form.test(part)),
        part,
      ).toBe(true)
  }
  return hidden
}

describe('the form of the texts', () => {
  it('that these checks know is the form of the test vectors', () => {
    for (const golden of goldens) {
      const { text, question } = split(golden.context)
      expect(hiddenIn(text)).toBe(16)
      for (const asked of golden.questions) expect(asked || question).toMatch(questionForm)
      expect(countTokens(golden.context) + 1).toBe(golden.tokens)
    }
  })

  it('is kept with the question in the prompt', () => {
    for (const { prompt, questions } of needleCases(aware)) {
      const { text, question } = split(prompt)
      expect(hiddenIn(text)).toBe(16)
      expect(question).toMatch(questionForm)
      expect(questions.map((asked) => asked.text)).toEqual([''])
      expect(question).toContain(`for ${questions[0]?.key}`)
    }
  })

  it('is kept with the questions afterwards, four different ones', () => {
    for (const { prompt, questions } of needleCases(agnostic)) {
      expect(hiddenIn(prompt)).toBe(16)
      expect(new Set(questions.map(({ key }) => key)).size).toBe(4)
      for (const { text, key, answer } of questions) {
        expect(text).toMatch(questionForm)
        expect(prompt).toMatch(new RegExp(`for ${key} is:? ${answer}\\.`))
      }
    }
  })

  it('draws both wordings of the question and every pattern of the haystack', () => {
    const cases = needleCases({ ...aware, samples: 12 })
    const asked = cases.map(({ prompt }) => split(prompt).question)
    expect(asked.some((text) => text.includes('mentioned'))).toBe(true)
    expect(asked.some((text) => !text.includes('mentioned'))).toBe(true)
    const parts = cases.flatMap(({ prompt }) => sentences(split(prompt).text))
    for (const form of hay) expect(parts.some((part) => form.test(part))).toBe(true)
  })
})

describe('the size of the texts', () => {
  it.each([512, 1024, 2048])('%i tokens: never more, at most one sentence less, counts exact', (tokens) => {
    for (const options of [aware, agnostic]) {
      for (const { prompt, promptTokens, questions } of needleCases({ ...options, tokens })) {
        expect(promptTokens).toBe(countTokens(prompt) + 1)
        const longest = Math.max(
          ...questions.map(({ text, answer }) => countTokens(text) + countTokens(` ${answer}.`) + 1),
        )
        expect(promptTokens + longest).toBeLessThanOrEqual(tokens)
        expect(promptTokens + longest).toBeGreaterThan(tokens - 36)
      }
    }
  })

  it('too small for the numbers is an error that says what to change', () => {
    expect(() => needleCases({ ...aware, tokens: 200 })).toThrow(/use a longer text or fewer keys/)
  })
})

describe('the cases', () => {
  it('are the same for the same seed, differ for another, and do not depend on how many follow', () => {
    expect(needleCases(aware)).toEqual(needleCases(aware))
    expect(needleCases({ ...aware, samples: 2 })).toEqual(needleCases(aware).slice(0, 2))
    expect(needleCases({ ...aware, from: 2, samples: 2 })).toEqual(needleCases(aware).slice(2))
    expect(needleCases({ ...aware, seed: 8 })[0]?.prompt).not.toBe(needleCases(aware)[0]?.prompt)
  })

  it('put the asked number at the wanted depth', () => {
    const depths = [0, 0.25, 0.5, 0.75, 1]
    for (const { questions } of needleCases({ ...agnostic, depths, samples: 5 })) {
      for (const { depth, wantedDepth } of questions) {
        expect(depths).toContain(wantedDepth)
        expect(Math.abs(depth - (wantedDepth ?? -1))).toBeLessThan(0.16)
      }
    }
  })

  it('refuse contradicting options', () => {
    expect(() => needleCases({ ...aware, questionsPerText: 2 })).toThrow(/query-agnostic/)
    expect(() => needleCases({ ...agnostic, questionsPerText: 17 })).toThrow(/1 to 16/)
    expect(() => needleCases({ ...aware, depths: [1.5] })).toThrow(/between 0 and 1/)
    expect(() => needleCases({ ...aware, keys: 0 })).toThrow(/keys/)
  })

  it('count a reply as right only with the space and the full stop', () => {
    expect(isRight(' 1234567.', '1234567')).toBe(true)
    expect(isRight(' 1234567. The', '1234567')).toBe(true)
    expect(isRight('1234567.', '1234567')).toBe(false)
    expect(isRight(' 12345678.', '1234567')).toBe(false)
  })
})

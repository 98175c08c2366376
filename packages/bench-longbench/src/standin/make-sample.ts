import type { MetricName } from '../data/datasets.ts'
import type { Random } from './random.ts'
import {
  colors,
  deeds,
  kinds,
  kindsZh,
  people,
  peopleZh,
  places,
  placesZh,
  things,
  thingsZh,
} from './words.ts'

/** The made-up part of a stand-in row. `answers` are right by construction. */
export interface Sample {
  context: string
  input: string
  answers: string[]
  allClasses: string[] | null
}

const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at))

const factOf = (random: Random): string =>
  `On day ${random.integer(90) + 1} ${random.pick(people)} ${random.pick(deeds)} the ${random.pick(colors)} ${random.pick(things)}.`
const factOfZh = (random: Random): string =>
  `第${random.integer(90) + 1}天，${random.pick(peopleZh)}修好了${random.pick(placesZh)}里的${random.pick(thingsZh)}。`

function question(random: Random, size: number): Sample {
  const [who, thing, place] = [random.pick(people), random.pick(things), random.pick(places)]
  const lines = times(size, () => factOf(random))
  lines.splice(random.integer(size), 0, `${who} left the brass ${thing} in the ${place}.`)
  return {
    context: lines.join(' '),
    input: `Where did ${who} leave the brass ${thing}?`,
    answers: [`the ${place}`, place],
    allClasses: null,
  }
}

function questionZh(random: Random, size: number): Sample {
  const [who, thing, place] = [random.pick(peopleZh), random.pick(thingsZh), random.pick(placesZh)]
  const lines = times(size, () => factOfZh(random))
  lines.splice(random.integer(size), 0, `${who}把铜${thing}放在${place}里。`)
  return {
    context: lines.join(''),
    input: `${who}把铜${thing}放在哪里？`,
    answers: [`${place}里。`],
    allClasses: null,
  }
}

function summary(random: Random, size: number): Sample {
  const lines = times(size, () => factOf(random))
  const [first, last] = [lines[0] ?? '', lines.at(-1) ?? '']
  return {
    context: lines.join('\n'),
    input: 'What came first, and what came last?',
    answers: [`${first} ${last}`],
    allClasses: null,
  }
}

function summaryZh(random: Random, size: number): Sample {
  const lines = times(size, () => factOfZh(random))
  return {
    context: lines.join('\n'),
    input: '开头和结尾发生了什么？',
    answers: [`${lines[0] ?? ''}${lines.at(-1) ?? ''}`],
    allClasses: null,
  }
}

function classes(
  random: Random,
  size: number,
  table: Readonly<Record<string, readonly string[]>>,
  form: (member: string) => string,
): Sample {
  const names = Object.keys(table)
  const example = (name: string): [string, string] => [form(random.pick(table[name] ?? [])), name]
  const shown = times(size, () => example(random.pick(names)).join(''))
  const [input, answer] = example(random.pick(names))
  return { context: shown.join('\n'), input, answers: [answer], allClasses: names }
}

function count(random: Random, size: number): Sample {
  const different = times(Math.max(1, random.integer(size) + 1), (at) => `${factOf(random)} Page ${at + 1}.`)
  const shown = random.sample(
    [...different, ...random.sample(different, random.integer(different.length))],
    2 * size,
  )
  const context = shown.map((text, at) => `Paragraph ${at + 1}: ${text}`).join('\n\n')
  return { context, input: '', answers: [String(different.length)], allClasses: null }
}

function retrieval(random: Random, size: number): Sample {
  const pairs = random.sample(
    people.flatMap((who) => things.map((thing) => [who, thing] as const)),
    size,
  )
  const context = pairs.map(
    ([who, thing], at) => `Paragraph ${at + 1}: ${who} tells how the ${thing} was found. ${factOf(random)}`,
  )
  const at = random.integer(pairs.length)
  const [who, thing] = pairs[at] ?? ['', '']
  return {
    context: context.join('\n\n'),
    input: `A story by ${who} about a ${thing}.`,
    answers: [`Paragraph ${at + 1}`],
    allClasses: null,
  }
}

function retrievalZh(random: Random, size: number): Sample {
  const pairs = random.sample(
    peopleZh.flatMap((who) => thingsZh.map((thing) => [who, thing] as const)),
    size,
  )
  const context = pairs.map(
    ([who, thing], at) => `段落${at + 1}：${who}讲了${thing}的来历。${factOfZh(random)}`,
  )
  const at = random.integer(pairs.length)
  const [who, thing] = pairs[at] ?? ['', '']
  return {
    context: context.join('\n'),
    input: `${who}讲述的${thing}的故事。`,
    answers: [`段落${at + 1}`],
    allClasses: null,
  }
}

function code(random: Random, size: number): Sample {
  const names = random.sample(things, Math.min(size, things.length))
  const lines = names.flatMap((name) => [
    `def make_${name}(size):`,
    `    ${name} = build("${name}", size)`,
    `    return ${name}`,
    '',
  ])
  const last = random.pick(names)
  const context = [...lines, `def remake_${last}(size):`, `    ${last} = build("${last}", size)`, ''].join(
    '\n',
  )
  return { context, input: '', answers: [`    return ${last}`], allClasses: null }
}

/** Makes the sample of a metric; `size` is the number of sentences, paragraphs or functions in its context. */
export const sampleMakers: Readonly<Record<MetricName, (random: Random, size: number) => Sample>> = {
  'qa-f1': question,
  'qa-f1-zh': questionZh,
  'rouge-l': summary,
  'rouge-l-zh': summaryZh,
  classification: (random, size) => classes(random, size, kinds, (member) => `Word: ${member}\nKind: `),
  count,
  retrieval,
  'retrieval-zh': retrievalZh,
  'code-similarity': code,
}

/** The same for the Chinese classification dataset. */
export const classificationZh = (random: Random, size: number): Sample =>
  classes(random, size, kindsZh, (member) => `词：${member}\n类别：`)

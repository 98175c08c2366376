import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  cleanPrediction,
  configOf,
  fillTemplate,
  findDataset,
  loadOfficialConfig,
  makePrompt,
  profiles,
  type PromptTokenizer,
  stopRule,
  truncateMiddle,
  truncateMiddleJoined,
} from '../src/index.ts'
import { scratchFolder } from './helpers/scratch.ts'

/** One token per character; id 0 is begin-of-text. */
const characters: PromptTokenizer = {
  encode: (text, { special }) => [
    ...(special ? [0] : []),
    ...Array.from(text, (one) => one.codePointAt(0) ?? 0),
  ],
  decode: (ids, { special }) => String.fromCodePoint(...ids.filter((id) => special || id !== 0)),
}

const hotpotqa = findDataset('hotpotqa').facts
const trec = findDataset('trec').facts
const samsum = findDataset('samsum').facts

test('slots are filled once, whatever the context holds', () => {
  const filled = fillTemplate('{{x}} {context}|{input}', {
    context: 'a {input} $& {context}',
    input: 'q {context}',
  })
  expect(filled.text).toBe('{x} a {input} $& {context}|q {context}')
  expect(filled.text.slice(0, filled.contextEnd)).toBe('{x} a {input} $& {context}')
  expect(() => fillTemplate('{story}', { context: '', input: '' })).toThrow(/found \{story\}/)
})

test('the middle goes, begin-of-text counts, and each half is decoded without it', () => {
  expect(truncateMiddle('abcdefgh', 9, characters)).toEqual({
    text: 'abcdefgh',
    promptTokens: 9,
    truncated: false,
  })
  expect(truncateMiddle('abcdefghi', 9, characters)).toEqual({
    text: 'abcfghi',
    promptTokens: 10,
    truncated: true,
  })
  expect(truncateMiddleJoined('abcdefghi', 9, characters).text).toBe('abcefghi')
})

test('official: truncation, then the chat text, except for the six datasets', () => {
  const model = { name: 'x/Llama2-7B-chat-4k', official: { 'llama2-7b-chat-4k': 8 } }
  const made = makePrompt(profiles.official, hotpotqa, 'abcdefghi', model, characters)
  expect(made).toEqual({
    text: '[INST]abcfghi[/INST]',
    modelTemplate: false,
    answerPrefix: '',
    special: true,
    truncated: true,
  })
  expect(makePrompt(profiles.official, trec, 'abc', model, characters).text).toBe('abc')
  const other = { name: 'qwen', maxPromptTokens: 100 }
  expect(makePrompt(profiles.official, hotpotqa, 'abc', other, characters).modelTemplate).toBe(true)
  expect(makePrompt(profiles.official, trec, 'abc', other, characters).modelTemplate).toBe(false)
  expect(() => makePrompt(profiles.official, trec, 'abc', { name: 'qwen' }, characters)).toThrow(
    /no longest prompt for the model qwen/,
  )
})

test('qpruningkv: [INST] before truncation and on all datasets for llama2, nothing for others', () => {
  const long = 'x'.repeat(9000)
  const llama2 = makePrompt(profiles.qpruningkv, trec, long, { name: 'Llama2' }, characters)
  expect(llama2.text).toBe(`[INST] ${'x'.repeat(1974 - 7)}${'x'.repeat(1975 - 8)} [/INST]`)
  const llama3 = makePrompt(
    profiles.qpruningkv,
    hotpotqa,
    long,
    { name: 'Meta-Llama-3-8B-Instruct' },
    characters,
  )
  expect(llama3).toMatchObject({
    text: 'x'.repeat(3974 + 3975),
    modelTemplate: false,
    special: true,
    truncated: true,
  })
})

test('kvcache-factory: Llama 3 headers after truncation, without a second begin-of-text', () => {
  const llama3 = { name: 'meta-llama-3-8b' }
  const made = makePrompt(profiles['kvcache-factory'], hotpotqa, 'abc', llama3, characters)
  expect(made.text).toMatch(/^<\|begin_of_text\|><\|start_header_id\|>user.*\n\nabc<\|eot_id\|>/)
  expect(made.special).toBe(false)
  expect(makePrompt(profiles['kvcache-factory'], samsum, 'abc', llama3, characters)).toMatchObject({
    text: 'abc',
    special: true,
  })
})

test('kvpress: nothing is cut, and the answer prefix stands behind the template', () => {
  const made = makePrompt(profiles.kvpress, hotpotqa, 'long\nAnswer:', { name: 'any' }, characters)
  expect(made).toMatchObject({
    text: 'long\n',
    answerPrefix: 'Answer:',
    modelTemplate: true,
    truncated: false,
  })
  const code = makePrompt(
    profiles.kvpress,
    findDataset('lcc').facts,
    'x = 1\nNext line of code:\n',
    { name: 'any' },
    characters,
  )
  expect(code.answerPrefix).toBe('Next line of code:\n')
  expect(cleanPrediction(profiles.kvpress, ' \n a ')).toBe('a ')
  expect(cleanPrediction(profiles.official, ' \n a ')).toBe(' \n a ')
})

test('stop rules differ by profile and dataset', () => {
  expect(stopRule(profiles.official, samsum, 128, characters)).toMatchObject({
    minNewTokens: 1,
    stopIds: [10],
    stop: 'eos',
  })
  expect(stopRule(profiles.official, hotpotqa, 32, characters)).toMatchObject({
    minNewTokens: 0,
    stopIds: [],
  })
  expect(stopRule(profiles.qpruningkv, samsum, 128, characters)).toMatchObject({
    minNewTokens: 1,
    stopIds: [],
    stopTokens: [],
  })
  expect(stopRule(profiles['kvcache-factory'], samsum, 128, characters)).toMatchObject({
    minNewTokens: 1,
    stopIds: [10],
    stop: 'generation-config',
    stopTokens: ['<|eot_id|>', '<|end_of_text|>'],
  })
  expect(stopRule(profiles.kvpress, samsum, 128, characters)).toMatchObject({
    maxNewTokens: 148,
    minNewTokens: 0,
  })
})

test('prompts and lengths come from the official files', async () => {
  const folder = await scratchFolder({
    'LongBench/config/dataset2prompt.json': '{"hotpotqa": "{context} {input}"}',
    'LongBench/config/dataset2maxlen.json': '{"hotpotqa": 32}',
    'bad/dataset2prompt.json': '{"hotpotqa": 3}',
  })
  const config = await loadOfficialConfig(folder)
  expect(configOf(config, hotpotqa)).toEqual({ prompt: '{context} {input}', maxNewTokens: 32 })
  expect(() => configOf(config, trec)).toThrow(/no prompt for trec/)
  await expect(loadOfficialConfig(join(folder, 'bad'))).rejects.toThrow(/expected a string for "hotpotqa"/)
  await expect(loadOfficialConfig(join(folder, 'none'))).rejects.toThrow(/Expected dataset2prompt.json/)
})

import {
  contentHash,
  fileName,
  orDash,
  specIdOf,
  textTable,
  tokenizerOf,
  type BenchModel,
  type BenchPrompt,
  type BenchSample,
  type BenchTools,
  type NamedSpec,
  type Prepared,
  type Question,
  type SampleRecord,
  type Scores,
} from '@qpkv/bench-kit'
import { join } from 'node:path'
import type { NeedleOptions, NeedleValues } from '../options.ts'
import { toOriginal, writeOriginalFolder } from '../original/write-original.ts'
import { depthGrid, lengthGrid } from './grid.ts'
import { joinEssays, readEssays, worldHaystack } from './haystack.ts'
import { insertNeedles, type TextCodec } from './insert-needles.ts'
import { promptForms, renderPrompt } from './prompt-forms.ts'
import { scoreReply } from './score-reply.ts'

/** What the papers' codes hide and ask. */
const SAN_FRANCISCO = {
  needle:
    '\nThe best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.\n',
  question: 'The best thing to do in San Francisco is: ',
  expected: 'eat a sandwich and sit in Dolores Park on a sunny day.',
}

export interface GridState {
  ask(sample: BenchSample): BenchPrompt
  score(reply: string, question: Question): Scores
  table(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string
  write(
    folder: string,
    records: readonly SampleRecord[],
    specs: readonly NamedSpec[],
    modelName: string,
  ): Promise<readonly string[]>
}

export type GridValues = NeedleValues & { readonly form: keyof typeof promptForms }

/** The originals' grid of lengths x depths over essays, or over sentences of the bundled world. */
export async function prepareGrid(
  values: GridValues,
  { model }: BenchTools,
): Promise<Prepared<NeedleOptions, GridState>> {
  const { form, protocol, seed, essays, order = 'sorted', profile = 'official', newTokens = 30 } = values
  const { needles = [SAN_FRANCISCO.needle], question = SAN_FRANCISCO.question, buffer = 200 } = values
  const { expected = SAN_FRANCISCO.expected, sentenceEnds, from = 1000, step = 1000 } = values
  const lengths = values.lengths ?? lengthGrid({ from, to: values.to ?? values.from ?? 2000, step })
  const depths =
    typeof values.depths === 'object' ? values.depths : depthGrid(values.depths ?? 10, values.depthSchedule)
  const codec = codecOf(model, profile)
  const texts = essays === undefined ? undefined : await readEssays(essays, order)
  const longest = Math.max(0, ...lengths)
  const source = texts ? joinEssays(texts, longest, codec) : worldHaystack(seed, longest, codec)
  const ids = codec.encode(source)
  const { text, special, stop } = promptForms[form]
  const rule = { maxTokens: newTokens, stopTokens: model.generationDefaults.stopTokens, stop }
  const settings = { codec, needles, buffer, ...(sentenceEnds ? { sentenceEnds } : {}) }
  return {
    samples: lengths.flatMap((length) =>
      depths.map((depth) => ({
        id: `grid/${protocol}/${length}-${depth}`,
        facets: { protocol, length, depth },
        size: { prompt: length, answers: newTokens },
      })),
    ),
    options: {
      form,
      lengths,
      depths,
      needles,
      question,
      expected,
      buffer,
      profile,
      newTokens,
      from: undefined,
      to: undefined,
      step: undefined,
      depthSchedule: undefined,
      order: texts ? order : undefined,
    },
    data: texts
      ? { haystack: contentHash(texts), template: contentHash(text) }
      : { template: contentHash(text) },
    ...(texts ? {} : { notice: 'made with a haystack of our own sentences: no benchmark score' }),
    state: {
      ask({ facets }) {
        const [length, depth] = [Number(facets['length']), Number(facets['depth'])]
        const haystack = codec.decode(ids.slice(0, length))
        const inserted = insertNeedles({ ...settings, haystack, depth, length })
        return promptOf(inserted.text, depth)
      },
      score: (reply) => scoreReply(reply, { needle: needles.join(' '), expected }),
      table: gridTable,
      async write(folder, records, specs, modelName) {
        const about = { model: modelName, needle: needles.join(' '), measuredAt: new Date().toISOString() }
        const written = specs.map(({ spec, label }) => {
          const cells = records
            .filter((record) => record.spec === specIdOf(spec))
            .map((record) => toOriginal(record, about))
          // The layout has no place for a method: with several rows each has a folder of its own.
          return writeOriginalFolder(specs.length > 1 ? join(folder, fileName(label)) : folder, cells)
        })
        return (await Promise.all(written)).flat()
      },
    },
  }

  function promptOf(context: string, depth: number): BenchPrompt {
    const { prefix, rest } = renderPrompt(promptForms[form], context, question)
    const agnostic = protocol === 'query-agnostic'
    return {
      ids: tokenizerOf(model).encode(agnostic ? prefix : prefix + rest, { special }),
      questions: [{ id: 'needle', facets: { depth }, text: agnostic ? rest : '', expected, rule }],
    }
  }
}

/** `official`: no special tokens in the haystack. `qpruningkv`: its code encodes with them and keeps them when decoding, so they end up in the text. */
function codecOf(model: BenchModel, profile: 'official' | 'qpruningkv'): TextCodec {
  const tokenizer = tokenizerOf(model)
  const special = profile === 'qpruningkv'
  return {
    encode: (text) => tokenizer.encode(text, { special }),
    decode: (ids) => tokenizer.decode(ids, { special }),
  }
}

/** A row per spec: the mean of each score over all cells. */
function gridTable(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string {
  const names = ['overlap', 'rouge1', 'exact'] as const
  return textTable(
    ['spec', ...names.map((name) => (name === 'rouge1' ? 'rouge1 x 10' : name)), 'cells'],
    specs.map(({ label, spec }) => {
      const mine = records.filter((record) => record.spec === specIdOf(spec))
      const mean = (name: string) =>
        mine.reduce((sum, { answers }) => sum + (answers[0]?.scores[name] ?? 0), 0) / mine.length
      return [
        label,
        ...names.map((name) => orDash(mean(name) * (name === 'rouge1' ? 10 : 1), 3)),
        String(mine.length),
      ]
    }),
  )
}

// This repository's side of the bench: answers calls of contender.ts, one after another.
import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { randomIds } from '../bench/measure.ts'
import type { Calls } from './contender.ts'

type Handlers = {
  [Name in keyof Calls]: (setting: Parameters<Calls[Name]>[0]) => Promise<ReturnType<Calls[Name]>>
}

let loaded: Model | undefined
const kept = new Map<string, Context>()

function theModel(): Model {
  if (!loaded) throw new Error('open first')
  return loaded
}
const greedy = (context: Context, maxTokens: number) =>
  context.generate({ maxTokens, temperature: 0, stopTokens: [] })

const calls: Handlers = {
  async open({ file, threads, table, precision }) {
    loaded = await loadModel(file, {
      threads,
      methods: registry,
      ...(table !== undefined && { table }),
      ...(precision !== undefined && { precision }),
    })
    return { table: loaded.table }
  },

  async prefill({ caches, tokens, keep }) {
    const model = theModel()
    const ids = randomIds(tokens, model.config.vocabSize)
    const before = performance.now()
    const contexts = await model.prefill(ids, { compression: caches, onWarning: () => {} })
    const milliseconds = performance.now() - before
    for (const [i, context] of contexts.entries()) {
      const name = keep?.[i]
      if (name === undefined) await context.dispose()
      else kept.set(name, context)
    }
    return milliseconds
  },

  async decode({ cache, tokens }) {
    const from = kept.get(cache)
    if (!from) throw new Error(`no cache ${cache}`)
    await using context = from.fork()
    let first = 0
    let last = 0
    let count = -1
    for await (const _ of greedy(context, tokens + 1)) {
      last = performance.now()
      if (count++ < 0) first = last
    }
    return (last - first) / count
  },

  async streams({ cache, count, prompt, tokens }) {
    const model = theModel()
    const contexts: Context[] = []
    for (let i = 0; i < count; i++) {
      const name = `${cache} ${prompt} ${i}`
      const from =
        kept.get(name) ??
        (await model.prefill(randomIds(prompt, model.config.vocabSize, i + 1), { compression: cache }))
      kept.set(name, from)
      contexts.push(from.fork())
    }
    await Promise.all(contexts.map((context) => greedy(context, 2).result))
    const before = performance.now()
    await Promise.all(contexts.map((context) => greedy(context, tokens).result))
    const milliseconds = performance.now() - before
    await Promise.all(contexts.map((context) => context.dispose()))
    return milliseconds / (count * tokens)
  },

  async drop({ caches }) {
    for (const cache of caches) {
      await kept.get(cache)?.dispose()
      kept.delete(cache)
    }
    return undefined
  },
}

process.on('message', (message) => {
  const { name, setting } = message as { name: keyof Calls; setting: never }
  calls[name](setting).then(
    (value) => process.send?.({ value }),
    (cause: unknown) => process.send?.({ error: String(cause) }),
  )
})
process.on('disconnect', () => {
  process.exit()
})

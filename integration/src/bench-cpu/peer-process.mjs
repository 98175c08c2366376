// The peer's side of the bench, node-llama-cpp from `install`: answers calls of contender.ts. A cache's name is its setting:
// KV type, flash attention and threads, such as `F16,on,2`; what is kept has a name of the caller's.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const BATCH = 512
let model
const kept = new Map()

/** Token ids of the kind that ours has too: any but specials and bytes. */
function randomIds(count, seed = 1) {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return 300 + (state % 2000)
  })
}

function createContext(setting, contextSize, sequences = 1) {
  const [kv, flash, threads] = setting.split(',')
  return model.createContext({
    contextSize,
    batchSize: BATCH,
    sequences,
    threads: { ideal: Number(threads), min: Number(threads) },
    flashAttention: flash === 'on',
    experimentalKvCacheKeyType: kv,
    experimentalKvCacheValueType: kv,
    failedCreationRemedy: false,
    ignoreMemorySafetyChecks: true,
  })
}

async function generate(sequence, tokens, each) {
  let count = 0
  for await (const _ of sequence.evaluate(randomIds(1, 7), { temperature: 0, yieldEogToken: true })) {
    each?.(count)
    if (++count === tokens) break
  }
}

const calls = {
  async open({ file, threads, install }) {
    const { getLlama } = await import(
      pathToFileURL(join(install, 'node_modules', 'node-llama-cpp', 'dist', 'index.js')).href
    )
    const llama = await getLlama({
      gpu: false,
      build: 'never',
      skipDownload: true,
      maxThreads: threads,
      progressLogs: false,
      logLevel: 'error',
    })
    model = await llama.loadModel({ modelPath: file })
    return {}
  },

  async prefill({ caches: [setting], tokens, keep }) {
    const context = await createContext(setting, tokens + 256)
    const sequence = context.getSequence()
    const ids = randomIds(tokens)
    await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, 1)) // buffers are made by then
    await sequence.clearHistory()
    const before = performance.now()
    for (let at = 0; at < tokens; at += BATCH)
      await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(at, at + BATCH))
    const milliseconds = performance.now() - before
    if (keep) kept.set(keep[0], { context, sequence, tokens })
    else await context.dispose()
    return milliseconds
  },

  async decode({ cache, tokens }) {
    const { sequence, tokens: end } = kept.get(cache)
    let first = 0
    let last = 0
    await generate(sequence, tokens + 1, (count) => {
      last = performance.now()
      if (count === 0) first = last
    })
    await sequence.eraseContextTokenRanges([{ start: end, end: sequence.nextTokenIndex }])
    return (last - first) / tokens
  },

  async streams({ cache, count, prompt, tokens }) {
    const name = `${cache} ${count} ${prompt}`
    if (!kept.has(name)) {
      const context = await createContext(cache, count * (prompt + tokens + 32), count)
      const sequences = Array.from({ length: count }, () => context.getSequence())
      for (const [i, sequence] of sequences.entries())
        await sequence.evaluateWithoutGeneratingNewTokens(randomIds(prompt, i + 1))
      kept.set(name, { context, sequences })
    }
    const { sequences } = kept.get(name)
    await Promise.all(sequences.map((sequence) => generate(sequence, 2)))
    const before = performance.now()
    await Promise.all(sequences.map((sequence) => generate(sequence, tokens)))
    const milliseconds = performance.now() - before
    for (const sequence of sequences)
      await sequence.eraseContextTokenRanges([{ start: prompt, end: sequence.nextTokenIndex }])
    return milliseconds / (count * tokens)
  },

  async drop({ caches }) {
    for (const name of caches) {
      await kept.get(name)?.context.dispose()
      kept.delete(name)
    }
  },
}

process.on('message', ({ name, setting }) => {
  calls[name](setting).then(
    (value) => process.send({ value }),
    (cause) => process.send({ error: String(cause?.stack ?? cause) }),
  )
})
process.on('disconnect', () => process.exit())

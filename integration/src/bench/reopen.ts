// How soon a saved context answers, beside the prefill that it saves, on a random model of 1B shape: a process saves, another one opens.
// `pnpm bench:reopen [TOKENS]`
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModel, type Context } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { randomIds } from './measure.ts'
import { oneBillion, writeRandomGguf } from './random-gguf.ts'

const SPEC = 'none+kivi:bits=4'
const ROUNDS = 5

/** Of the next token, which takes one step. */
async function firstToken(context: Context): Promise<number> {
  const { tokens } = await context.generate({ maxTokens: 1, stopTokens: [], temperature: 0 }).result
  return tokens[0] ?? NaN
}

const [, , role, model = '', file = '', tokens = ''] = process.argv
if (role === 'save' || role === 'open') {
  await using loaded = await loadModel(model, { threads: 2, methods: registry })
  if (role === 'save') {
    const started = performance.now()
    await using context = await loaded.prefill(randomIds(Number(tokens), oneBillion.vocab), {
      compression: SPEC,
    })
    const prefill = performance.now() - started
    await context.save(file)
    const save = performance.now() - started - prefill
    console.log(JSON.stringify({ prefill, save, bytes: context.bytes, token: await firstToken(context) }))
  } else {
    const rounds = []
    for (let i = 0; i < ROUNDS; i++) {
      const started = performance.now()
      await using context = await loaded.open(file)
      const opened = performance.now() - started
      const token = await firstToken(context)
      const answered = performance.now() - started
      // One more step, which reads the cache.
      await context.append([1])
      rounds.push({ opened, answered, stepped: performance.now() - started, token })
    }
    console.log(JSON.stringify({ rounds, read: loaded.stats().tokens.prompt }))
  }
} else {
  const count = Number(role ?? 8192)
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-reopen-'))
  const [gguf, context] = [join(folder, 'random.gguf'), join(folder, 'saved.context')]
  const child = <T>(as: string): T => {
    const args = [...process.execArgv, fileURLToPath(import.meta.url), as, gguf, context, String(count)]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout) as T
  }
  try {
    writeRandomGguf(gguf, oneBillion, 'q4_0')
    const saved = child<{ prefill: number; save: number; bytes: number; token: number }>('save')
    const { rounds, read } = child<{
      rounds: Record<'opened' | 'answered' | 'stepped' | 'token', number>[]
      read: number
    }>('open')
    const size = statSync(context).size
    console.log(
      `${count} tokens, ${SPEC}: prefill ${(saved.prefill / 1000).toFixed(1)} s, saved in ${saved.save.toFixed(0)} ms`,
    )
    console.log(
      `file ${size} bytes, cache ${saved.bytes}: ${(100 * (size / saved.bytes - 1)).toFixed(2)} % more`,
    )
    for (const { opened, answered, stepped, token } of rounds)
      console.log(
        `opened in ${opened.toFixed(0)} ms, first token after ${answered.toFixed(0)} ms (${token === saved.token ? 'the same' : 'ANOTHER'}), one step later ${stepped.toFixed(0)} ms`,
      )
    console.log(`prompt tokens that passed the model: ${read}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

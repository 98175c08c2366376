// A process from its start to the first token of a reply, and the memory it took:
//   node whole-process.mjs FILE PROMPT_TOKENS THREADS [INSTALL SETTING]       with INSTALL the peer, else ours
// Prints `first` at the first token, later its peak of resident memory in bytes (Linux; elsewhere what Node knows).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [file, prompt, threads, install, setting] = process.argv.slice(2)
const ids = Array.from({ length: Number(prompt) }, (_, i) => 300 + ((i * 37) % 2000))
const REPLY = 8

let count = 0
const token = () => {
  if (count++ === 0) process.stdout.write('first\n')
}

if (install === undefined) {
  const { loadModel } = await import('@qpkv/core')
  const model = await loadModel(file, { threads: Number(threads) })
  const context = await model.prefill(Int32Array.from(ids))
  for await (const _ of context.generate({ maxTokens: REPLY, temperature: 0, stopTokens: [] })) token()
} else {
  const entry = join(install, 'node_modules', 'node-llama-cpp', 'dist', 'index.js')
  const { getLlama } = await import(pathToFileURL(entry).href)
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error' })
  const model = await llama.loadModel({ modelPath: file })
  const [, flash] = setting.split(',')
  const context = await model.createContext({
    contextSize: ids.length + 64,
    threads: { ideal: Number(threads), min: Number(threads) },
    flashAttention: flash === 'on',
    failedCreationRemedy: false,
    ignoreMemorySafetyChecks: true,
  })
  for await (const _ of context.getSequence().evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    token()
    if (count === REPLY) break
  }
}

function peak() {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  } catch {
    return 1024 * process.resourceUsage().maxRSS
  }
}
process.stdout.write(`${peak()}\n`)
process.exit()

// pnpm leak [--contexts N]: opens, uses and lets go of 1,000 contexts, once by dispose() and once by garbage
// collection alone. Exit code 1 when the process grew by more than 2 % of what the caches took together.
import { parseArgs } from 'node:util'
import { measureLeak } from '../integration/src/leak.ts'

const { values } = parseArgs({ options: { contexts: { type: 'string', default: '1000' } } })
const contexts = Number(values.contexts)
if (!Number.isInteger(contexts) || contexts < 50) {
  console.error('Type: pnpm leak [--contexts N], N at least 50')
  process.exit(2)
}
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
for (const ending of ['dispose', 'collect'] as const) {
  const { before, after, cacheBytes } = await measureLeak({
    contexts,
    ending,
    promptTokens: 512,
    onProgress: (done, rss) => {
      if (done % 100 === 0) console.log(`${ending}: ${done} contexts, ${mib(rss)} MiB resident`)
    },
  })
  console.log(
    `${ending}: ${mib(before)} -> ${mib(after)} MiB resident while caches of ${mib(cacheBytes)} MiB came and went`,
  )
  if (after - before > 0.02 * cacheBytes) process.exitCode = 1
}

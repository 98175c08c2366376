// The side of the fuzzer that reads inputs. It writes down which one it is about to read, so
// that an input that hangs or kills it is known.
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { PROGRESS_FILE, type ChildMessage, type ChildOrder } from './child-order.ts'
import { inputsOf } from './inputs.ts'
import { isExpected, type FuzzTargets } from './target.ts'

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder
const { targetsIn } = (await import(order.targets)) as { targetsIn: FuzzTargets }
const target = targetsIn(order.folder)[order.target]
if (!target) throw new Error(`no target ${order.target}`)
const inputs = inputsOf(order.corpus, order.seed)
const progress = openSync(join(order.folder, PROGRESS_FILE), 'w')

/** Resolves when the message is on its way: the process may end or hang right after. */
const say = (message: ChildMessage) =>
  new Promise<void>((resolve) => {
    if (!process.send) throw new Error('started without a channel')
    process.send(message, undefined, undefined, () => resolve())
  })

// Libraries that talk about broken files would drown the findings.
console.warn = () => undefined

const start = process.cpuUsage()
const spent = () => {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

let iteration = order.from
for (; spent() < order.milliseconds; iteration++) {
  writeSync(progress, String(iteration), 0)
  try {
    await target.read(inputs.at(iteration))
  } catch (cause) {
    if (isExpected(cause)) continue
    const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    await say({ kind: 'finding', iteration, error: `${(cause as { code?: string }).code ?? ''} ${error}` })
  }
}
await say({ kind: 'done', iteration })
process.exit()

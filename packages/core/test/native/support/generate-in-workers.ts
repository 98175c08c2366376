// Run as a program: three worker threads and the main thread each load a model of their own and generate; prints their ids.
//   node ... generate-in-workers.ts FOLDER
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fullPlan, generateGreedy, openModel, prefill } from './open-model.ts'

async function generate(): Promise<number[]> {
  const ids = Array.from({ length: 100 }, (_, i) => (i * 37 + 11) % 3000)
  const open = await openModel(process.argv[2] ?? '', { threads: 1 })
  const { contexts } = await prefill(open, ids, [fullPlan(open.config, ids.length)])
  const generated = await generateGreedy(contexts[0]!, 12)
  for (const context of contexts) context.dispose()
  open.model.dispose()
  open.engine.dispose()
  return generated
}

if (isMainThread) {
  const inWorker = () =>
    new Promise<number[]>((done, fail) => {
      // Worker threads do not inherit the loader of TypeScript files.
      const start = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(import.meta.url)}) })`
      const worker = new Worker(start, { eval: true, argv: process.argv.slice(2) })
      worker.once('message', done)
      worker.once('error', fail)
    })
  console.log(JSON.stringify(await Promise.all([generate(), inWorker(), inWorker(), inWorker()])))
} else {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
  parentPort?.postMessage(await generate())
}

import { Worker } from 'node:worker_threads'

/*
 * Does this machine really give two cores right now? Virtual machines sometimes do not, for seconds at a time, with
 * nothing running beside. The same loop is timed in one and in two worker threads; a pair of measurements counts
 * only when two threads get at least 1.8 times the work done.
 */

const loop = `
const { parentPort } = require('node:worker_threads')
parentPort.on('message', (ms) => {
  const end = performance.now() + ms
  let rounds = 0
  let x = 1.1
  while (performance.now() < end) {
    for (let i = 0; i < 20000; i++) x = x * 1.0000001 + 1e-9
    rounds++
  }
  parentPort.postMessage(rounds + (x === 0 ? 1 : 0))
})
`

export interface Probe {
  /** Work of two threads over the work of one, in equal time. */
  readonly ratio: number
  readonly good: boolean
}

export class HostProbe {
  readonly #workers = [0, 1].map(() => new Worker(loop, { eval: true }))

  async #work(threads: number, milliseconds: number): Promise<number> {
    const rounds = await Promise.all(
      this.#workers.slice(0, threads).map(
        (worker) =>
          new Promise<number>((resolve) => {
            worker.once('message', resolve)
            worker.postMessage(milliseconds)
          }),
      ),
    )
    return rounds.reduce((sum, n) => sum + n, 0)
  }

  /** Takes about `2 * milliseconds`. */
  async measure(milliseconds = 60): Promise<Probe> {
    const one = await this.#work(1, milliseconds)
    const two = await this.#work(2, milliseconds)
    const ratio = two / one
    return { ratio, good: ratio >= 1.8 }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}

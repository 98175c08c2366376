import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { kvError } from '../errors.ts'

const DEFAULT_TIMEOUT_MS = 2000
/** A busy machine may take seconds to start a thread; that is not the template's fault. */
const START_TIMEOUT_MS = 30_000
/** Room for the template's strings; a template that builds more is broken or hostile. */
const MAX_HEAP_MB = 256

// The worker is given as text because the package is one flat file when published. It gets nothing but a
// template and its variables: no file names, no environment. `jinja` is resolved here, since an evaluated
// worker has no place of its own to resolve from.
const workerSource = `
const { parentPort, workerData } = require('node:worker_threads')
const { Template } = require(workerData.jinja)
const parsed = new Map()
parentPort.on('message', ({ id, source, variables }) => {
  parentPort.postMessage({ id, begun: true })
  try {
    if (!parsed.has(source)) parsed.set(source, new Template(source))
    parentPort.postMessage({ id, text: parsed.get(source).render(variables) })
  } catch (error) {
    parentPort.postMessage({ id, error: String(error && error.message || error) })
  }
})
`

interface Answer {
  readonly id: number
  /** The template runs from now on. */
  readonly begun?: boolean
  readonly text?: string
  readonly error?: string
}

interface Waiting {
  begin(): void
  resolve(text: string): void
  reject(error: Error): void
}

/** Renders Jinja templates in a worker thread that is ended when a template takes too long. */
export class TemplateWorker {
  private readonly timeoutMs: number
  private worker: Worker | undefined
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 0
  /** One template at a time, so that the clock measures the template and not the queue. */
  private queue: Promise<unknown> = Promise.resolve()

  constructor(timeoutMs: number = DEFAULT_TIMEOUT_MS) {
    this.timeoutMs = timeoutMs
  }

  /** @throws KV_TOKENIZER when the template fails or takes longer than the limit. */
  render(source: string, variables: Record<string, unknown>): Promise<string> {
    const result = this.queue.then(() => this.renderOne(source, variables))
    this.queue = result.catch(() => undefined)
    return result
  }

  async dispose(): Promise<void> {
    const { worker } = this
    this.worker = undefined
    await worker?.terminate()
  }

  private renderOne(source: string, variables: Record<string, unknown>): Promise<string> {
    return new Promise<string>((resolve, reject) => {
      const id = this.nextId++
      const worker = (this.worker ??= this.start())
      const endAfter = (ms: number) =>
        setTimeout(() => {
          this.fail(worker, `took longer than ${ms / 1000} s and was ended`)
        }, ms)
      let timer = endAfter(START_TIMEOUT_MS)
      const settle = () => {
        clearTimeout(timer)
        this.waiting.delete(id)
        worker.unref()
      }
      this.waiting.set(id, {
        begin: () => {
          clearTimeout(timer)
          timer = endAfter(this.timeoutMs)
        },
        resolve: (text) => {
          settle()
          resolve(text)
        },
        reject: (error) => {
          settle()
          reject(error)
        },
      })
      worker.ref()
      try {
        worker.postMessage({ id, source, variables }, []) // nothing to transfer
      } catch (cause) {
        this.waiting
          .get(id)
          ?.reject(templateError(`has variables that cannot be passed (${(cause as Error).message})`))
      }
    })
  }

  private start(): Worker {
    const jinja = createRequire(import.meta.url).resolve('@huggingface/jinja')
    const worker = new Worker(workerSource, {
      eval: true,
      env: {},
      workerData: { jinja },
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    })
    worker.unref()
    worker.on('message', ({ id, begun, text, error }: Answer) => {
      if (begun) this.waiting.get(id)?.begin()
      else if (text === undefined)
        this.waiting.get(id)?.reject(templateError(`failed: ${error ?? 'no text'}`))
      else this.waiting.get(id)?.resolve(text)
    })
    worker.on('error', (cause) => {
      this.fail(worker, `ended its worker: ${cause.message}`)
    })
    return worker
  }

  private fail(worker: Worker, what: string): void {
    if (this.worker === worker) this.worker = undefined
    void worker.terminate()
    for (const waiting of this.waiting.values()) waiting.reject(templateError(what))
  }
}

const templateError = (what: string) =>
  kvError(
    'KV_TOKENIZER',
    `The model's chat template ${what}.`,
    'Pass the prompt as text or token ids instead of messages.',
  )

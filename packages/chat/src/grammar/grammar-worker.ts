import { Worker } from 'node:worker_threads'

/** The thread in which grammars are made and followed; see grammar-worker.js. */
export class GrammarWorker {
  private readonly worker: Worker
  private readonly waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >()
  private last = 0
  private ended: Error | undefined

  constructor(file: URL) {
    this.worker = new Worker(file, { stderr: true, stdout: true, env: {} })
    this.worker.unref()
    this.worker.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
      const caller = this.take(id)
      if (error === undefined) caller?.resolve(value)
      else caller?.reject(new Error(error))
    })
    this.worker.on('error', (error) => {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    })
    this.worker.on('exit', () => {
      this.fail(new Error('the grammar thread has ended'))
    })
  }

  /** Whether nothing can be asked of it any more. */
  get dead(): boolean {
    return this.ended !== undefined
  }

  async ask(what: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.ended) throw this.ended
    const id = ++this.last
    // The thread keeps the process alive exactly while somebody waits for it.
    if (this.waiting.size === 0) this.worker.ref()
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.worker.postMessage({ id, do: what, ...fields })
    })
  }

  async end(why = new Error('the grammar thread was ended')): Promise<void> {
    this.fail(why)
    await this.worker.terminate()
  }

  private take(id: number) {
    const caller = this.waiting.get(id)
    this.waiting.delete(id)
    if (this.waiting.size === 0) this.worker.unref()
    return caller
  }

  private fail(error: Error): void {
    this.ended ??= error
    for (const { reject } of this.waiting.values()) reject(this.ended)
    this.waiting.clear()
    this.worker.unref()
  }
}

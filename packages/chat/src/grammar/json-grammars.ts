import type { Constraint, Model } from '@qpkv/core'
import { KvError } from '@qpkv/spec'
import { normalizeSchema } from './normalize-schema.ts'
import { GrammarWorker } from './grammar-worker.ts'

/** What making a grammar may take. */
const COMPILE_MS = 15_000
/** Grammars kept, the least used goes. */
const KEPT = 32

/** Beside this file in a build, one folder up among the sources. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? '../grammar-worker.js' : './grammar-worker.js',
  import.meta.url,
)

/** A constraint, and the end of it. */
export interface OpenConstraint extends Constraint {
  end(): Promise<void>
}

/** Constraints of one model by which its replies are JSON, of a schema or of any. */
export class JsonGrammars {
  private readonly model: Model
  private readonly file: URL
  private worker: GrammarWorker | undefined
  private opened: Promise<unknown> | undefined
  private readonly kept = new Map<string, Promise<unknown>>()
  private runs = 0

  constructor(model: Model, file = workerFile) {
    this.model = model
    this.file = file
  }

  /**
   * A constraint for one run.
   * @param schema a JSON schema; `{}` is any JSON value
   * @throws KV_INVALID_OPTION for a schema that the grammar would not obey; KV_TOKENIZER without a tokenizer.
   */
  async constraint(schema: unknown): Promise<OpenConstraint> {
    const text = JSON.stringify(normalizeSchema(schema))
    const worker = await this.open()
    await this.compile(worker, text)
    const run = ++this.runs
    await worker.ask('start', { schema: text, run })
    let token: number | undefined
    return {
      allowed: async () => (await worker.ask('next', { run, token })) as Int32Array | undefined,
      accept: (chosen) => {
        token = chosen
      },
      end: async () => {
        if (!worker.dead) await worker.ask('end', { run }).catch(() => undefined)
      },
    }
  }

  async dispose(): Promise<void> {
    await this.worker?.end()
    this.worker = undefined
  }

  private async open(): Promise<GrammarWorker> {
    if (!this.worker || this.worker.dead) {
      this.kept.clear()
      this.worker = new GrammarWorker(this.file)
      this.opened = this.worker.ask('open', vocabulary(this.model))
    }
    const { worker } = this
    await this.opened
    return worker
  }

  private async compile(worker: GrammarWorker, schema: string): Promise<void> {
    const made = this.kept.get(schema) ?? this.compileNew(worker, schema)
    this.kept.delete(schema)
    this.kept.set(schema, made)
    for (const old of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - KEPT))) {
      this.kept.delete(old)
      await worker.ask('forget', { schema: old })
    }
    await made
  }

  private async compileNew(worker: GrammarWorker, schema: string): Promise<void> {
    const late = setTimeout(() => {
      void worker.end(new Error(`it took more than ${COMPILE_MS / 1000} s`))
    }, COMPILE_MS)
    try {
      await worker.ask('compile', { schema })
    } catch (cause) {
      // The library may be in no good state after a failure.
      await worker.end()
      throw new KvError('KV_INVALID_OPTION', `The JSON schema cannot be used: ${(cause as Error).message}.`, {
        cause,
      })
    } finally {
      clearTimeout(late)
    }
  }
}

/** What the library wants to know of a tokenizer. */
function vocabulary(model: Model) {
  const { tokenizer, config, generationDefaults } = model
  if (!tokenizer) throw new KvError('KV_TOKENIZER', 'JSON replies need a tokenizer.json in the model folder.')
  const named = tokenizer.idOf(tokenizer.specialTokens['eos_token'] ?? '')
  const stops = [...new Set([...generationDefaults.stopTokens, ...(named === undefined ? [] : [named])])]
  if (stops.length === 0)
    throw new KvError(
      'KV_TOKENIZER',
      'JSON replies need a token that ends a reply: eos_token_id in generation_config.json.',
    )
  const kind =
    tokenizer.idOf('Ġ') !== undefined
      ? 'byte_level'
      : tokenizer.idOf('<0x0A>') !== undefined
        ? 'byte_fallback'
        : 'raw'
  // Control tokens are no text; an empty entry is never allowed.
  const vocab = Array.from({ length: config.vocabSize }, (_, id) =>
    tokenizer.isSpecial(id) || stops.includes(id) ? '' : (tokenizer.tokenOf(id) ?? ''),
  )
  return { vocab, kind, size: config.vocabSize, stops }
}

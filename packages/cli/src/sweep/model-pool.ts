import type { Model } from '@qpkv/core'

/** Opens a model by its name in the grid. */
export type OpenModel = (name: string) => Promise<Model>

/**
 * Loaded models by name, `copies` of each: jobs take turns on them. Contexts of one model may work at the same
 * time, and copies share nothing but the mapped files.
 */
export class ModelPool {
  readonly #open: OpenModel
  readonly #copies: number
  readonly #models = new Map<string, (Promise<Model> | undefined)[]>()
  #next = 0

  constructor(open: OpenModel, copies = 1) {
    this.#open = open
    this.#copies = copies
  }

  get(name: string): Promise<Model> {
    const list = this.#models.get(name) ?? []
    this.#models.set(name, list)
    const at = this.#next++ % this.#copies
    return (list[at] ??= this.#openInto(list, at, name))
  }

  /** One that cannot be opened now is tried again when it is next asked for: workers outlive what was wrong. */
  async #openInto(list: (Promise<Model> | undefined)[], at: number, name: string): Promise<Model> {
    try {
      return await this.#open(name)
    } catch (cause) {
      list[at] = undefined
      throw cause
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const list of this.#models.values())
      for (const opening of list) await opening?.then((model) => model.dispose()).catch(() => undefined)
  }
}

import { KvError } from '@qpkv/spec'

/** A context that may be compressed in place when others need its memory. */
export interface Yielding {
  /** Compresses itself as it was told; false: it is busy, or has done so. @throws whatever compressing throws */
  yieldMemory(): Promise<boolean>
}

/** Contexts with `whenFull`, by when they were used: exact until memory is short, then compressed in place. */
export class YieldingContexts {
  /** From the one used least lately on. */
  private readonly contexts = new Set<Yielding>()
  private last: Promise<void> = Promise.resolve()
  private yielded = 0
  /** What steps share and keep is granted once: as much as the largest prompt so far has asked for. */
  scratch = 0

  /** How many have been compressed so far. */
  get count(): number {
    return this.yielded
  }

  /** It was made or used now. */
  used(context: Yielding): void {
    this.contexts.delete(context)
    this.contexts.add(context)
  }

  remove(context: Yielding): void {
    this.contexts.delete(context)
  }

  /** Compresses idle ones, one after another, until there are so many bytes. Whether any was; what does not fit then waits. */
  async makeRoom(bytes: number, room: () => number): Promise<boolean> {
    if (this.contexts.size === 0 || room() >= bytes) return false
    const before = this.yielded
    const turn = this.inTurn(this.last, bytes, room)
    this.last = turn
    await turn
    return this.yielded > before
  }

  private async inTurn(before: Promise<void>, bytes: number, room: () => number): Promise<void> {
    await before
    const asked = Array.from(this.contexts)
    for (const context of asked) {
      if (room() >= bytes) return
      if (!(await this.ask(context))) continue
      this.yielded++
      this.contexts.delete(context)
    }
  }

  private async ask(context: Yielding): Promise<boolean> {
    try {
      return await context.yieldMemory()
    } catch (cause) {
      // Too short a text for its budget, no room for the work, disposed meanwhile: it stays, and others are asked.
      if (KvError.isInstance(cause)) return false
      throw cause
    }
  }
}

import type { Value } from './values.ts'

/** Variables of a body; those outside are seen, but not changed. */
export class Scope {
  private readonly variables = new Map<string, Value>()
  private readonly outer: Scope | undefined

  constructor(outer?: Scope) {
    this.outer = outer
  }

  get(name: string): Value {
    return this.variables.has(name) ? this.variables.get(name) : this.outer?.get(name)
  }

  set(name: string, value: Value): void {
    this.variables.set(name, value)
  }
}

import { Float, isNumber, numberOf, TemplateError, truth, typeName, type Call, type Value } from './values.ts'

/** The arguments of a call by the names of its parameters. */
export class Parameters {
  private readonly values = new Map<string, Value>()
  private readonly owner: string

  constructor(owner: string, { positional, named }: Call, names: readonly string[]) {
    this.owner = owner
    if (positional.length > names.length)
      throw new TemplateError(
        `${owner}() takes at most ${names.length} arguments (${positional.length} given)`,
      )
    for (const [i, value] of positional.entries()) this.values.set(names[i] ?? '', value)
    for (const [name, value] of named) {
      if (!names.includes(name))
        throw new TemplateError(`${owner}() got an unexpected keyword argument '${name}'`)
      this.values.set(name, value)
    }
  }

  has(name: string): boolean {
    return this.values.has(name)
  }

  get(name: string, fallback?: Value): Value {
    return this.values.has(name) ? this.values.get(name) : fallback
  }

  flag(name: string, fallback = false): boolean {
    return truth(this.get(name, fallback))
  }

  whole(name: string, fallback?: number): number {
    const value = this.get(name, fallback)
    if (isNumber(value) && !(value instanceof Float)) return numberOf(value)
    throw new TemplateError(`${this.owner}() needs a whole number for ${name}, not ${typeName(value)}`)
  }

  text(name: string, fallback?: string): string {
    const value = this.get(name, fallback)
    if (typeof value === 'string') return value
    throw new TemplateError(`${this.owner}() needs a text for ${name}, not ${typeName(value)}`)
  }
}

/** A function that the model may ask for. */
export interface Tool {
  readonly name: string
  readonly description?: string
  /** JSON schema of its arguments; default: none. */
  readonly parameters?: Readonly<Record<string, unknown>>
}

/** `auto`: the model decides; `required`: some tool; `{ name }`: this one. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string }

/** A tool that the model asked for. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON text of an object. */
  readonly arguments: string
}

/** Tools as templates know them. */
export const templateTools = (tools: readonly Tool[]) =>
  tools.map(({ name, description = '', parameters = { type: 'object', properties: {} } }) => ({
    type: 'function',
    function: { name, description, parameters },
  }))

/** One thing that was looked at. `not checked` is never success. */
export interface Check {
  readonly name: string
  readonly outcome: 'ok' | 'failed' | 'not checked'
  readonly detail: string
}

export const ok = (name: string, detail: string): Check => ({ name, outcome: 'ok', detail })
export const failed = (name: string, detail: string): Check => ({ name, outcome: 'failed', detail })
export const notChecked = (name: string, detail: string): Check => ({ name, outcome: 'not checked', detail })

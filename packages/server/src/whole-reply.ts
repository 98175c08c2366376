import type { ToolCall } from '@qpkv/chat'
import type { TokenLogprob } from '@qpkv/core'
import type { Work } from './work.ts'

export const wireReason = (reason: string) => reason.replace('-', '_')

/** All that came of one choice. */
export interface WholeReply {
  readonly text: string
  readonly calls: readonly ToolCall[]
  /** Of the tokens, where they were asked for. */
  readonly told: readonly TokenLogprob[]
  /** Why it ended, in the wire's words. */
  readonly reason: string | null
}

/** Waits for a choice's end, for clients that do not read a stream. */
export async function wholeReply(work: Work, index: number): Promise<WholeReply> {
  let text = ''
  let reason: string | null = null
  const calls: ToolCall[] = []
  const told: TokenLogprob[] = []
  for await (const event of work.events(index)) {
    if (event.type === 'text') {
      text += event.text
      if (event.logprob) told.push(event.logprob)
    } else if (event.type === 'call') calls.push(event.call)
    else reason = wireReason(event.reason)
  }
  return { text, calls, told, reason }
}

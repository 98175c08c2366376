import type { Model } from '@qpkv/core'
import { failed, notChecked, ok, type Check } from './check.ts'
import type { LogitsDump } from './logits-dump.ts'

const probes = ['The quick brown fox.', 'def f(x):\n    return x\n', ' 1234567  naïve 漢字 👩‍👩‍👧']

/** Tokens against a dump; without one, whether text comes back whole. */
export function checkTokens(model: Model, dump: LogitsDump | undefined): Check {
  const { tokenizer } = model
  if (!tokenizer) return notChecked('tokenization', 'the model has no tokenizer.json')
  if (!dump) {
    const lost = probes.find(
      (text) => tokenizer.decode(tokenizer.encode(text, { special: false })).trim() !== text.trim(),
    )
    return lost === undefined
      ? ok('tokenization', `${probes.length} texts come back whole (ids not compared: no --against)`)
      : failed('tokenization', `${JSON.stringify(lost)} does not come back whole`)
  }
  for (const { text, ids } of dump.samples) {
    const mine = tokenizer.encode(text)
    const at = ids.findIndex((id, i) => id !== mine[i])
    if (at >= 0 || mine.length !== ids.length)
      return failed(
        'tokenization',
        `${JSON.stringify(text.slice(0, 40))} differs at token ${at < 0 ? ids.length : at}: ${mine[at] ?? 'nothing'} here, ${ids[at] ?? 'nothing'} there`,
      )
  }
  return ok('tokenization', `${dump.samples.length} texts, ids equal`)
}

/** The chat template against a dump; without one, whether it renders. */
export async function checkChat(model: Model, dump: LogitsDump | undefined): Promise<Check> {
  const { chatTemplate } = model
  if (!chatTemplate)
    return dump?.chat
      ? failed('chat template', 'the other side has one, this folder has none')
      : notChecked('chat template', 'the model has none')
  if (dump && !dump.chat) return notChecked('chat template', 'the dump has none')
  const messages = dump?.chat?.messages ?? [{ role: 'user' as const, content: 'Hello.' }]
  const text = await chatTemplate.render(messages)
  if (!dump?.chat)
    return text.includes('Hello.')
      ? ok('chat template', 'renders (text not compared: no --against)')
      : failed('chat template', 'the rendered text lacks the message')
  if (text === dump.chat.text) return ok('chat template', `${text.length} characters, equal`)
  const at = Array.from(text).findIndex((_, i) => text[i] !== dump.chat?.text[i])
  return failed(
    'chat template',
    `differs at character ${at}: ${JSON.stringify(text.slice(Math.max(0, at), at + 30))} here, ${JSON.stringify(dump.chat.text.slice(Math.max(0, at), at + 30))} there`,
  )
}

import { performance } from 'node:perf_hooks'

/** One request as its client saw it, in ms from when it was sent. */
export interface Seen {
  readonly firstMs: number
  readonly lastMs: number
  /** Events with text: one per token in both servers. */
  readonly tokens: number
}

/** Sends a prompt to /v1/completions and reads the stream to its end. @throws where the answer is not whole */
export async function ask(url: string, prompt: string, tokens: number): Promise<Seen> {
  const sent = performance.now()
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: 'model', prompt, max_tokens: tokens, temperature: 0, stream: true }),
  })
  if (!response.ok || !response.body) throw new Error(`status ${response.status}: ${await response.text()}`)
  const decoder = new TextDecoder()
  let firstMs = NaN
  let count = 0
  let text = ''
  for await (const part of response.body) {
    text += decoder.decode(part as Uint8Array, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    const events = blocks.filter(
      (block) => block.includes('"text"') && !block.includes('"finish_reason":"'),
    ).length
    if (events > 0 && count === 0) firstMs = performance.now() - sent
    count += events
    if (blocks.includes('data: [DONE]')) return { firstMs, lastMs: performance.now() - sent, tokens: count }
  }
  throw new Error('the stream ended before [DONE]')
}

export interface LoadResult {
  readonly seconds: number
  readonly seen: readonly Seen[]
  readonly failed: number
}

/** So many requests over so many connections, each sent when its connection's last is answered. */
export async function load(
  url: string,
  prompts: readonly string[],
  connections: number,
  tokens: number,
): Promise<LoadResult> {
  const seen: Seen[] = []
  let failed = 0
  let next = 0
  const before = performance.now()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (next < prompts.length) {
        const prompt = prompts[next++] ?? ''
        await ask(url, prompt, tokens).then(
          (one) => seen.push(one),
          () => failed++,
        )
      }
    }),
  )
  return { seconds: (performance.now() - before) / 1000, seen, failed }
}

export const percentile = (list: readonly number[], share: number): number =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))] ?? NaN

import type { Context, Model, PrefillOptions, Prompt } from '@qpkv/core'

/**
 * A model that can say nothing but this text, control tokens spelled out: its masks let one token through at a time.
 * Everything else, from sampling to stopping, is the model's own.
 */
export function scripted(model: Model, text: string): Model {
  const { tokenizer, config, generationDefaults } = model
  const [stop = 0] = generationDefaults.stopTokens
  const script = [...(tokenizer?.encode(text, { special: false, after: [1] }) ?? []), stop]
  const bound = (context: Context): Context => {
    const generate = context.generate.bind(context)
    Object.assign(context, {
      generate: (options: Parameters<Context['generate']>[0]) => {
        let at = 0
        const allowed = () => {
          const mask = new Int32Array(Math.ceil(config.vocabSize / 32))
          const token = script[at] ?? stop
          mask[token >> 5] = 1 << (token & 31)
          return mask
        }
        return generate({ ...options, constraint: { allowed, accept: () => void at++ } })
      },
    })
    return context
  }
  return Object.assign(Object.create(model) as Model, {
    prefill: async (prompt: Prompt, options: PrefillOptions) => bound(await model.prefill(prompt, options)),
  })
}

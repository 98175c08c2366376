// A conversation, streamed, over a cache that stays compressed.
import { loadModel } from '@qpkv/core'
import { int8 } from '@qpkv/quantizer-int8'
import { modelFolder } from '@qpkv/reference-model'

const model = await loadModel(modelFolder)
const context = await model.prefill(
  [
    {
      role: 'user',
      content:
        'The password of Ada of Selby is calm-moon. The access code of Hugo of Orford is 48213.\nWhat is the password of Ada of Selby?',
    },
  ],
  { compression: { quantize: int8() } },
)
for await (const { text } of context.generate({ maxTokens: 32 })) process.stdout.write(text)
console.log()
await context.append([{ role: 'user', content: 'What is the access code of Hugo of Orford?' }])
for await (const { text } of context.generate({ maxTokens: 32 })) process.stdout.write(text)
console.log()
await context.dispose()
await model.dispose()

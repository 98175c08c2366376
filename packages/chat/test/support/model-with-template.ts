import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { onTestFinished } from 'vitest'

/** The reference model, with a chat template of one's own. */
export async function modelWithTemplate(template?: string): Promise<Model> {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-chat-'))
  for (const name of readdirSync(modelFolder)) symlinkSync(join(modelFolder, name), join(folder, name))
  if (template !== undefined) {
    rmSync(join(folder, 'chat_template.jinja'), { force: true })
    writeFileSync(join(folder, 'chat_template.jinja'), template)
  }
  const model = await loadModel(folder, { threads: 1, methods: registry })
  onTestFinished(async () => {
    await model.dispose()
    rmSync(folder, { recursive: true })
  })
  return model
}

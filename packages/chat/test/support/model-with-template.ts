import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { onTestFinished } from 'vitest'

/** The reference model, with a chat template of one's own. */
export const modelWithTemplate = (template?: string): Promise<Model> =>
  modelWithFiles(template === undefined ? {} : { 'chat_template.jinja': template })

/** The reference model, with other files in place of its own. */
export async function modelWithFiles(files: Readonly<Record<string, string>>): Promise<Model> {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-chat-'))
  for (const name of readdirSync(modelFolder)) symlinkSync(join(modelFolder, name), join(folder, name))
  for (const [name, text] of Object.entries(files)) {
    rmSync(join(folder, name), { force: true })
    writeFileSync(join(folder, name), text)
  }
  const model = await loadModel(folder, { threads: 1, methods: registry })
  onTestFinished(async () => {
    await model.dispose()
    rmSync(folder, { recursive: true })
  })
  return model
}

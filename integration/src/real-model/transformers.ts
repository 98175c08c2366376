import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportModel, type Model } from '@qpkv/core'
import { variedTexts } from './texts.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What transformers makes of the file and of its export. */
export interface TransformersReport {
  /** Reports of `qpkv verify`. */
  readonly file: { readonly checks: readonly { readonly outcome: string }[] }
  readonly exported: { readonly checks: readonly { readonly outcome: string }[] }
  readonly texts: number
  readonly textsEqual: number
}

/**
 * Has transformers read the file, and the folder that `exportModel` makes of it; `qpkv verify` compares each with the file as it is read here.
 * Undefined where `python` lacks a package, which is said.
 */
export async function compareWithTransformers(
  model: Model,
  file: string,
  folder: string,
  python: string,
): Promise<TransformersReport | undefined> {
  const needed = ['torch', 'transformers', 'gguf', 'accelerate']
  const lacks = spawnSync(python, ['-c', `import ${needed.join(', ')}`], { encoding: 'utf8' })
  if (lacks.status !== 0) {
    console.error(
      `transformers: not checked, ${python} lacks a package. Type: ${python} -m pip install ${needed.join(' ')}`,
    )
    return undefined
  }
  const exported = join(folder, 'exported')
  if (!existsSync(exported)) await exportModel(file, exported)
  const texts = variedTexts(200)
  const theirs = runPython<number[][]>('transformers_tokens.py', [exported], JSON.stringify(texts))
  return {
    file: verify(file),
    exported: verify(exported),
    texts: texts.length,
    textsEqual: texts.filter((text, i) => String(model.tokenizer?.encode(text)) === String(theirs[i])).length,
  }

  function runPython<T>(script: string, args: readonly string[], input: string): T {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const run = spawnSync(python, [path, ...args], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 2] })
    if (run.status !== 0) throw new Error(`${path} failed.`)
    return JSON.parse(run.stdout) as T
  }

  /** What transformers makes of `source`, against the file here. */
  function verify(source: string): TransformersReport['file'] {
    const dump = join(folder, 'transformers.json')
    const script = join(root, 'packages/cli/scripts/dump-logits.py')
    const dumped = spawnSync(python, [script, source, dump], { stdio: ['ignore', 2, 2] })
    if (dumped.status !== 0) throw new Error(`${script} failed.`)
    const words = ['verify', file, '--against', dump, '--tolerance', '0.001', '--needles', '0', '--json']
    const verified = spawnSync('node', [join(root, 'packages/cli/dist/main.js'), ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 2],
    })
    return JSON.parse(verified.stdout) as TransformersReport['file']
  }
}

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * Has transformers read the file and `qpkv verify` compare; its report as JSON. Undefined where
 * `python` lacks a package, which is said.
 */
export function compareWithTransformers(file: string, folder: string, python: string): unknown {
  const needed = ['torch', 'transformers', 'gguf', 'accelerate']
  const lacks = spawnSync(python, ['-c', `import ${needed.join(', ')}`], { encoding: 'utf8' })
  if (lacks.status !== 0) {
    console.error(
      `transformers: not checked, ${python} lacks a package. Type: ${python} -m pip install ${needed.join(' ')}`,
    )
    return undefined
  }
  const dump = join(folder, 'transformers.json')
  const script = join(root, 'packages/cli/scripts/dump-logits.py')
  const dumped = spawnSync(python, [script, file, dump], { stdio: ['ignore', 2, 2] })
  if (dumped.status !== 0) throw new Error(`${script} failed.`)
  const words = ['verify', file, '--against', dump, '--tolerance', '0.001', '--needles', '0', '--json']
  const verified = spawnSync('node', [join(root, 'packages/cli/dist/main.js'), ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
  })
  return JSON.parse(verified.stdout) as unknown
}

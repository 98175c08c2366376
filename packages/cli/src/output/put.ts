import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes a file beside its place and renames it, so that its name always stands for a whole file; its folder is made where there is none. */
export async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const there = await stat(path).catch(() => undefined)
  if (there?.isFile() === false) return writeFile(path, content) // a terminal or a pipe
  await writeFile(`${path}.part`, content)
  await rename(`${path}.part`, path)
}

/** A value as the text of a JSON file. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

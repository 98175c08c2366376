import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder of this package: the one with a package.json above the sources or the build. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

/** Version of this package. */
export const ownVersion = (): string =>
  (JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string }).version

/** Versions of the packages that decide about results. */
export function packageVersions(): Record<string, string> {
  const require = createRequire(import.meta.url)
  const versions: Record<string, string> = { qpkv: ownVersion() }
  for (const name of ['@qpkv/core', '@qpkv/spec', '@qpkv/methods', '@qpkv/reference-model'])
    versions[name] = (require(`${name}/package.json`) as { version: string }).version
  return versions
}

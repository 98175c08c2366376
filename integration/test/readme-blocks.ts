import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** A README of the repository and the code of its Use heading. */
export interface Readme {
  /** Relative to the root. */
  readonly path: string
  /** All ```ts blocks as one program: a later block goes on with what an earlier one declared. */
  readonly program: string
  /** Lines of the ```sh blocks, and texts of the ```json blocks. */
  readonly commands: readonly string[]
  readonly documents: readonly string[]
  /** Text of the Install heading. */
  readonly install: string
}

/** READMEs of the root and of every package that is published. */
export function readmes(): Readme[] {
  const folders = packageFolders().filter(({ manifest }) => manifest.private !== true)
  return ['README.md', ...folders.map(({ folder }) => join(folder, 'README.md'))].map(readmeOf)
}

function readmeOf(path: string): Readme {
  const text = readFileSync(join(root, path), 'utf8')
  const use = section(text, 'Use(?: it)?')
  const blocks = [...use.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  const of = (language: string) => blocks.flatMap(([, kind, code = '']) => (kind === language ? [code] : []))
  return {
    path,
    program: of('ts').join('\n'),
    commands: of('sh').flatMap((code) => code.split('\n').filter((line) => line !== '')),
    documents: of('json'),
    install: section(text, 'Install'),
  }
}

/** Text from a heading to the next one. */
const section = (text: string, heading: string): string =>
  new RegExp(`^## ${heading}\\n([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, 'm').exec(text)?.[1] ?? ''

interface Manifest {
  readonly name: string
  readonly private?: boolean
}

function packageFolders(): { folder: string; manifest: Manifest }[] {
  return ['packages', 'packages/pruners', 'packages/quantizers'].flatMap((parent) =>
    readdirSync(join(root, parent)).flatMap((name) => {
      const folder = join(parent, name)
      const file = join(root, folder, 'package.json')
      return existsSync(file)
        ? [{ folder, manifest: JSON.parse(readFileSync(file, 'utf8')) as Manifest }]
        : []
    }),
  )
}

/**
 * The program with the workspace's packages imported from their sources, so that a README may name any of them and
 * a new method needs no line here. @param from the folder that the program is written to
 */
export function linkPackages(program: string, from: string): string {
  const sources = new Map(packageFolders().map(({ folder, manifest }) => [manifest.name, folder]))
  return program.replace(/ from '((?:@qpkv\/|qpkv)[^']*)'/g, (_, name: string) => {
    const folder = sources.get(name)
    if (folder === undefined) throw new Error(`There is no package ${name} in the workspace.`)
    return ` from '${relative(from, join(root, folder, 'src/index.ts'))}'`
  })
}

// Every published package has the same shape: manifest fields, README headings, an explicit index, a conformance call in methods.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { conclude, filesUnder, root, workspacePackages } from './workspace.ts'

const headings = ['What', 'When', 'Install', 'Use', 'Options', 'Cost']
const deviations = 'Deviations from the paper'
/** Packages that carry out what a paper describes, and no others, say where they differ from it. */
const ofPapers = (name: string, folder: string) =>
  /^@qpkv\/bench-(needle|ruler|longbench)$/.test(name) ||
  filesUnder(join(folder, 'src'), (path) => /^ *paper: '\w/m.test(readFileSync(join(root, path), 'utf8')))
    .length > 0
/** What a package is for may need a newer Node. */
const needsNewerNode = new Map([['@qpkv/ai-sdk', '>=22']])
const problems: string[] = []

const read = (...path: string[]) => {
  const file = join(root, ...path)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

for (const { name, folder, manifest } of workspacePackages()) {
  if (manifest.private || /^packages\/(core|cuda)\/npm\//.test(folder)) continue
  const expect = (what: string, ok: boolean) => {
    if (!ok) problems.push(`${folder}: expected ${what}`)
  }
  expect('"license": "MIT"', manifest.license === 'MIT')
  expect('"type": "module"', manifest.type === 'module')
  const node = needsNewerNode.get(name) ?? '>=20.19.0'
  expect(`"engines".node ${node}`, manifest.engines?.node === node)
  expect(`"repository".directory ${folder}`, manifest.repository?.directory === folder)
  expect('"publishConfig".access public', manifest.publishConfig?.access === 'public')
  expect('"files" with dist', manifest.files?.includes('dist') === true)
  expect(
    'no source condition in what is published',
    !JSON.stringify(manifest.publishConfig ?? {}).includes('@qpkv/source'),
  )
  const index = read(folder, 'src/index.ts')
  expect(
    'src/index.ts with explicit exports',
    index !== undefined && !/export \*/.test(index) && /export/.test(index),
  )
  const readme = read(folder, 'README.md') ?? ''
  const has = (heading: string) => new RegExp(`^## ${heading}`, 'm').test(readme)
  for (const heading of headings) expect(`README.md with the heading "## ${heading}"`, has(heading))
  if (ofPapers(name, folder)) expect(`README.md with the heading "## ${deviations}"`, has(deviations))
  else
    expect(`README.md without the heading "## ${deviations}", as no source names a paper`, !has(deviations))
  const method = /^@qpkv\/(pruner|quantizer)-/.exec(name)?.[1]
  if (method) {
    expect(`the keyword kv-${method}`, manifest.keywords?.includes(`kv-${method}`) === true)
    expect(
      'dependencies on @qpkv/spec and @qpkv/reference only',
      Object.keys(manifest.dependencies ?? {}).every(
        (d) => d === '@qpkv/spec' || d === '@qpkv/reference' || d.startsWith(`@qpkv/${method}-`),
      ),
    )
    expect(
      'a test that calls the conformance suite',
      read(folder, 'test/conformance.test.ts')?.includes('@qpkv/conformance') === true,
    )
  }
}
conclude('package shape', problems)

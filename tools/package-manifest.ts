/** The package.json of a new package that is published: fields in the order of those that are there. */
export const packageManifest = (facts: {
  readonly name: string
  readonly description: string
  readonly folder: string
  readonly keywords: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}): object => ({
  name: facts.name,
  version: '0.1.0',
  description: facts.description,
  license: 'MIT',
  type: 'module',
  sideEffects: false,
  engines: { node: '>=20.19.0' },
  repository: { type: 'git', url: 'git+https://github.com/qpkv/qpkv.git', directory: facts.folder },
  keywords: ['kv-cache', 'llm', ...facts.keywords],
  files: ['dist'],
  exports: {
    '.': { '@qpkv/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
    './package.json': './package.json',
  },
  publishConfig: {
    access: 'public',
    exports: {
      '.': { types: './dist/index.d.ts', default: './dist/index.js' },
      './package.json': './package.json',
    },
  },
  scripts: { build: 'tsup' },
  dependencies: facts.dependencies,
  devDependencies: facts.devDependencies,
})

// Floors of the house: a package depends on lower floors only; development dependencies may point sideways, never up.
import { conclude, workspacePackages } from './workspace.ts'

const floors: [pattern: RegExp, floor: number][] = [
  [/^@qpkv\/spec$/, 0],
  [/^@qpkv\/reference$/, 1],
  [/^@qpkv\/(conformance|pruner-|quantizer-)/, 2],
  [/^@qpkv\/(core|cuda)-/, 2],
  [/^@qpkv\/core$/, 3],
  [/^@qpkv\/(cuda|methods|reference-model)$/, 4],
  [/^@qpkv\/(bench-kit|chat)$/, 5],
  [/^@qpkv\/(bench-|planner$|server$|ai-sdk$)/, 6],
  [/^qpkv$/, 7],
  [/^@qpkv\/(integration|examples)$/, 8],
]

const floorOf = (name: string) => floors.find(([pattern]) => pattern.test(name))?.[1]

// Tests of the engine need a model and methods to run; this is the one place where a development dependency looks up.
const testsMayLookUp = new Set(['@qpkv/core'])

const problems: string[] = []
for (const { name, folder, manifest } of workspacePackages()) {
  const own = floorOf(name)
  if (own === undefined) {
    problems.push(`${folder}: expected a name that has a floor (tools/check-floors.ts) but found ${name}`)
    continue
  }
  const check = (
    dependencies: Record<string, string> | undefined,
    allowed: (floor: number) => boolean,
    kind: string,
  ) => {
    for (const dependency of Object.keys(dependencies ?? {})) {
      const floor = floorOf(dependency)
      if (floor !== undefined && !allowed(floor))
        problems.push(`${name} (floor ${own}): ${kind} on ${dependency} (floor ${floor})`)
    }
  }
  check(manifest.dependencies, (floor) => floor < own, 'dependency')
  check(manifest.peerDependencies, (floor) => floor < own, 'peer dependency')
  if (!testsMayLookUp.has(name))
    check(manifest.devDependencies, (floor) => floor <= own, 'development dependency')
}
conclude('floors', problems)

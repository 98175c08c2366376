import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { roleNames, type AnyMethod, type Role } from '../packages/spec/src/index.ts'
import { root } from './workspace.ts'

const camel = (name: string) => name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
const list = (group: string) => readdirSync(join(root, 'packages', group)).sort()

/** A method that a package of the workspace exports. */
export interface Method {
  readonly role: Role
  readonly name: string
  /** What its package calls it, and what the umbrella package does. */
  readonly exported: string
  readonly local: string
  readonly packageName: string
  readonly folder: string
  readonly value: AnyMethod
}

/** Every method that a package exports, in the order of its exports; two roles of one name are told apart by their role. */
async function methodsIn(group: 'pruners' | 'quantizers', folder: string): Promise<Omit<Method, 'local'>[]> {
  const path = `packages/${group}/${folder}`
  const exports = (await import(join(root, path, 'src/index.ts'))) as Record<string, unknown>
  return Object.entries(exports)
    .filter(([exported, value]) => exported !== 'default' && isMethod(value))
    .map(([exported, value]) => {
      const { role, name } = value as AnyMethod
      return {
        role,
        name,
        exported,
        packageName: `@qpkv/${group.slice(0, -1)}-${folder}`,
        folder: path,
        value: value as AnyMethod,
      }
    })
}

const isMethod = (value: unknown): value is AnyMethod =>
  typeof value === 'function' && roleNames.includes((value as Partial<AnyMethod>).role as Role)

const found: Omit<Method, 'local'>[] = []
for (const group of ['pruners', 'quantizers'] as const)
  for (const folder of list(group)) found.push(...(await methodsIn(group, folder)))
const byRole = roleNames.flatMap((role) => found.filter((method) => method.role === role))
/** All of them: by role, then by package. */
export const methods: readonly Method[] = byRole.map((method) => ({
  ...method,
  local:
    byRole.filter(({ exported }) => exported === method.exported).length > 1
      ? camel(`${method.exported}-${method.role}`)
      : method.exported,
}))

// Carries the descriptions of options into the declarations of a built package, as JSDoc: an editor shows them where
// `snapkv({ window` is typed. The build calls this (tsup.config.ts); descriptions stand once, in the sources.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseSync, Visitor, type TSType } from 'oxc-parser'

interface Described {
  readonly doc: string
  readonly accepts: string
  readonly default: unknown
}
type Options = Readonly<Record<string, Described>>

/** Rewrites the declarations in `dist` that speak of options; the package's own values say what these mean. */
export async function writeOptionHints(dist: string): Promise<void> {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => ({ path: join(dist, file), text: readFileSync(join(dist, file), 'utf8') }))
    .filter(({ text }) => /\bOption</.test(text))
  if (files.length === 0) return
  const values = (await import(pathToFileURL(resolve(dist, 'index.js')).href)) as Record<string, unknown>
  for (const { path, text } of files) writeFileSync(path, withOptionHints(text, values))
}

/**
 * The same declarations, where the factories of `values`, which are a module's exports, say their options one by one:
 * `Pruner<{ window: Option<number> }, P>` becomes what it stands for, so that no editor has to look through mapped types.
 */
export function withOptionHints(text: string, values: Readonly<Record<string, unknown>>): string {
  const edits: { readonly from: number; readonly to: number; readonly text: string }[] = []
  const visitor = new Visitor({
    VariableDeclarator({ id }) {
      if (id.type !== 'Identifier' || !id.typeAnnotation) return
      const options = optionsOf(values[id.name])
      const { typeAnnotation: type } = id.typeAnnotation
      const spelled = options && spellOut(type, options, text)
      if (spelled) edits.push({ from: type.start, to: type.end, text: spelled })
    },
  })
  visitor.visit(parseSync('index.d.ts', text).program)
  return edits
    .toReversed()
    .reduce((result, edit) => result.slice(0, edit.from) + edit.text + result.slice(edit.to), text)
}

function optionsOf(value: unknown): Options | undefined {
  const isFactory = typeof value === 'function' && 'options' in value && 'role' in value
  return isFactory ? (value.options as Options) : undefined
}

/** `import("@qpkv/spec").Pruner<{ … }, P>` as `AnyPruner` and a call with the options of the type literal. */
function spellOut(type: TSType, options: Options, text: string): string | undefined {
  if (type.type !== 'TSImportType' && type.type !== 'TSTypeReference') return undefined
  const [shape, profile] = type.typeArguments?.params ?? []
  const name = type.type === 'TSImportType' ? type.qualifier : type.typeName
  if (shape?.type !== 'TSTypeLiteral' || name?.type !== 'Identifier') return undefined
  const fields = shape.members.map((member) => {
    if (member.type !== 'TSPropertySignature' || member.key.type !== 'Identifier') return undefined
    const option = options[member.key.name]
    const annotated = member.typeAnnotation?.typeAnnotation
    if (!option || !annotated || !('typeArguments' in annotated)) return undefined
    const value = annotated.typeArguments?.params[0]
    if (!value) return undefined
    return `    /** ${hintOf(option)} */\n    ${member.key.name}?: ${text.slice(value.start, value.end)} | undefined;\n`
  })
  if (fields.includes(undefined)) return undefined
  const spec = text.slice(type.start, name.start)
  const profiles =
    profile && profile.type !== 'TSNeverKeyword'
      ? `    /** Defaults that do what the code of an original does. */\n    profile?: ${text.slice(profile.start, profile.end)} | undefined;\n`
      : ''
  return `${spec}Any${name.name} & ((given?: {\n${fields.join('')}${profiles}}) => ${spec}MethodRef)`
}

function hintOf({ doc, accepts, default: standard }: Described): string {
  const usual = standard === undefined ? '' : `; default ${JSON.stringify(standard)}`
  return `${doc} Accepts ${accepts}${usual}.`.replaceAll('*/', '* /')
}

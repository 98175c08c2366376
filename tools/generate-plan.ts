// Writes the plan's types in C++ from spec's TypeScript: a struct per interface, an enumeration per choice of names, a
// variant per other union, and for each struct its fields by name, which the binding reads JavaScript's objects by.
// `--check` only compares. Names that kernels know too, those of formats, are a header of their own.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync, type Comment, type TSType } from 'oxc-parser'
import { capital, put, snake } from './generated-files.ts'
import { conclude, root } from './workspace.ts'

const folder = 'packages/spec/src/plan'
const problems: string[] = []

/** What is no part of these files. A score is read by descriptors of its own (generate-statistics.ts). */
const known: Readonly<Record<string, string>> = {
  Integer: 'int',
  ScoreNode: 'std::shared_ptr<const ScoreNode>',
}

interface Declared {
  readonly name: string
  readonly doc: string
  /** Of an interface. */
  readonly fields?: readonly Field[]
  /** Of an alias. */
  readonly type?: TSType
}
interface Field {
  readonly name: string
  readonly doc: string
  readonly optional: boolean
  readonly type: TSType
}

/** The interfaces and aliases that a file exports, in order. */
function declarationsOf(file: string): Declared[] {
  const text = readFileSync(join(root, folder, file), 'utf8')
  const { program, comments, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  const docOf = (start: number) => docBefore(text, comments, start)
  return program.body.flatMap((node): Declared[] => {
    if (node.type !== 'ExportNamedDeclaration') return []
    const it = node.declaration
    if (it?.type === 'TSTypeAliasDeclaration')
      return [{ name: it.id.name, doc: docOf(node.start), type: it.typeAnnotation }]
    if (it?.type !== 'TSInterfaceDeclaration') return []
    const fields = it.body.body.map((field): Field => {
      if (field.type !== 'TSPropertySignature' || field.key.type !== 'Identifier' || !field.typeAnnotation)
        throw new Error(`${file}: ${it.id.name} has something else than a plain field`)
      const { typeAnnotation: type } = field.typeAnnotation
      return { name: field.key.name, doc: docOf(field.start), optional: field.optional, type }
    })
    return [{ name: it.id.name, doc: docOf(node.start), fields }]
  })
}

function docBefore(text: string, comments: readonly Comment[], start: number): string {
  const comment = comments.find(
    ({ value, end }) => value.startsWith('*') && end <= start && text.slice(end, start).trim() === '',
  )
  const lines = (comment?.value ?? '').slice(1).split('\n')
  const words = lines.map((line) => line.replace(/^\s*\* ?/, '').trim()).join(' ')
  return words.replaceAll(/\{@link (\w+)\}/g, '$1').trim()
}

// ---- types ----------------------------------------------------------------------------------------------------------

const isText = (type: TSType) => type.type === 'TSLiteralType' && typeof literalOf(type) === 'string'
const isNumber = (type: TSType) => type.type === 'TSLiteralType' && typeof literalOf(type) === 'number'

function literalOf(type: TSType): unknown {
  if (type.type !== 'TSLiteralType') return undefined
  const { literal } = type
  if (literal.type === 'UnaryExpression' && literal.argument.type === 'Literal')
    return -Number(literal.argument.value)
  return literal.type === 'Literal' ? literal.value : undefined
}

const partsOf = (type: TSType): readonly TSType[] => (type.type === 'TSUnionType' ? type.types : [type])

interface Written {
  /** The type's name in C++. */
  readonly type: string
  /** An enumeration that has to stand before it. */
  readonly names?: readonly string[]
}

/** `name`: what an enumeration is called that the type needs. */
function cppType(type: TSType, name: string): Written {
  const parts = partsOf(type)
  const names = parts.filter(isText).map((part) => String(literalOf(part)))
  if (parts.every(isNumber)) return { type: 'int' }
  if (names.length === parts.length) return { type: name, names }
  const others = parts.filter((part) => !isText(part)).map((part) => plainType(part))
  if (names.length === 0) return { type: others.length === 1 ? others[0]! : variant(others) }
  const choice = `${name}Name`
  const place = parts.findIndex(isText)
  return { type: variant(others.toSpliced(place, 0, choice)), names }
}

const variant = (types: readonly string[]) => `std::variant<${types.join(', ')}>`

function plainType(type: TSType): string {
  if (type.type === 'TSNumberKeyword') return 'double'
  if (type.type === 'TSStringKeyword') return 'std::string'
  if (type.type === 'TSBooleanKeyword') return 'bool'
  if (type.type === 'TSParenthesizedType') return cppType(type.typeAnnotation, '').type
  if (type.type === 'TSUnionType') return cppType(type, '').type
  if (type.type === 'TSTypeOperator' && type.typeAnnotation) return plainType(type.typeAnnotation) // readonly
  if (type.type === 'TSArrayType') return `std::vector<${plainType(type.elementType)}>`
  if (type.type === 'TSTypeReference' && type.typeName.type === 'Identifier')
    return known[type.typeName.name] ?? type.typeName.name
  throw new Error(`no C++ for a ${type.type}`)
}

// ---- text -----------------------------------------------------------------------------------------------------------

const comment = (doc: string) => (doc === '' ? '' : `// ${doc}\n`)

const enumeration = (name: string, names: readonly string[]) =>
  `enum class ${name} : uint8_t { ${names.map((it) => `k${capital(it)}`).join(', ')} };\n`
const namesOf = (name: string, names: readonly string[]) =>
  `constexpr std::array<const char*, ${names.length}> NamesOf(${name}) { return {${names.map((it) => `"${it}"`).join(', ')}}; }\n`

function alias({ name, doc, type }: Declared): string {
  const written = cppType(type!, name)
  const choice = written.type === name ? name : `${name}Name`
  return [
    comment(doc),
    written.names ? enumeration(choice, written.names) + namesOf(choice, written.names) : '',
    written.type === name ? '' : `using ${name} = ${written.type};\n`,
  ].join('')
}

/** Fields of one possible value, such as `kind`, are not held: they say which struct an object is. */
function struct({ name, doc, fields = [] }: Declared): string {
  const enums: string[] = []
  const names: string[] = []
  const members: string[] = []
  const visits: string[] = []
  for (const field of fields) {
    const literal = literalOf(field.type)
    if (literal !== undefined && !field.optional) {
      visits.push(`visit.Literal("${field.name}", ${JSON.stringify(literal)});`)
      continue
    }
    const written = cppType(field.type, capital(field.name))
    if (written.names) {
      const choice = written.type === capital(field.name) ? capital(field.name) : `${capital(field.name)}Name`
      enums.push(enumeration(choice, written.names))
      names.push(namesOf(`${name}::${choice}`, written.names))
    }
    const type = field.optional ? `std::optional<${written.type}>` : written.type
    members.push(`${comment(field.doc)}${type} ${snake(field.name)}{};`)
    visits.push(`visit("${field.name}", it.${snake(field.name)});`)
  }
  return `${comment(doc)}struct ${name} {
${enums.join('')}${members.join('\n')}
};
${names.join('')}template <class Visit> void Fields(Visit& visit, ${name}& it) {
${visits.join('\n')}
}
`
}

/** Each after what it is made of. */
function inOrder(all: readonly Declared[]): Declared[] {
  const done = new Set<string>()
  const sorted: Declared[] = []
  const add = (it: Declared): void => {
    if (done.has(it.name)) return
    done.add(it.name)
    const types = it.fields?.map(({ type }) => type) ?? [it.type!]
    const text = types.map((type) => cppType(type, '').type).join(' ')
    for (const other of all) if (new RegExp(`\\b${other.name}\\b`).test(text)) add(other)
    sorted.push(it)
  }
  all.forEach(add)
  return sorted
}

const formats = declarationsOf('tensor-format.ts')
const layers = declarationsOf('layer-plan.ts')
const isChoice = ({ type }: Declared) => type !== undefined && partsOf(type).every(isText)
const note = `// Written by tools/generate-plan.ts from ${folder}`

await put(
  'packages/core/native/ops/format_choices.h',
  `${note}/tensor-format.ts.
#pragma once
#include <array>
#include <cstdint>

namespace qpkv {

// NamesOf(a value of an enumeration): what its values are called in plans, in order.

${formats.filter(isChoice).map(alias).join('\n')}
}  // namespace qpkv
`,
  problems,
)
const structs = (all: readonly Declared[]) =>
  inOrder(all)
    .map((it) => (it.fields ? struct(it) : alias(it)))
    .join('\n')

await put(
  'packages/core/native/engine/format_types.h',
  `${note}/tensor-format.ts.
#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "ops/format_choices.h"

namespace qpkv::plan {

${structs(formats.filter((it) => !isChoice(it)))}
}  // namespace qpkv::plan
`,
  problems,
)
await put(
  'packages/core/native/engine/plan_types.h',
  `${note}/layer-plan.ts.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/format_types.h"
#include "engine/score_node.h"

namespace qpkv::plan {

${structs(layers)}
}  // namespace qpkv::plan
`,
  problems,
)
conclude('generated plan types', problems)

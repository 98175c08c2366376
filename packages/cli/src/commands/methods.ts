import { leftTable } from '@qpkv/bench-kit'
import { roleNames, roles, type AnyMethod } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { jsonText } from '../output/put.ts'
import { addUseOption } from '../options/model.ts'
import { readRegistry } from '../registry.ts'
import { UsageError } from '../usage-error.ts'

/** `qpkv methods [NAME]`: what can be pruned and quantized with, and with which options. */
export function addMethods(program: Command, io: Io): void {
  addUseOption(program.command('methods'))
    .description('list pruners, allocators, sharings and quantizers, or the options of one')
    .argument('[NAME]', 'one method')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, flags: { json?: boolean; use?: string[] }) => {
      const registry = await readRegistry(flags.use)
      const all = roleNames.flatMap((role): AnyMethod[] => [...registry[roles[role].plural].values()])
      const methods = all.filter((method) => name === undefined || method.name === name)
      if (methods.length === 0)
        throw new UsageError(
          `There is no method named ${name ?? ''}.`,
          `Known are ${[...new Set(all.map((m) => m.name))].join(', ')}.`,
        )
      if (flags.json === true) io.stdout.write(jsonText(methods.map(describe)))
      else io.stdout.write(name === undefined ? overview(methods) : methods.map(details).join('\n'))
    })
}

const describe = (method: AnyMethod) => ({
  name: method.name,
  role: method.role,
  paper: method.paper,
  options: Object.entries(method.options).map(([name, option]) => ({
    name,
    default: option.default ?? null,
    accepts: option.accepts,
    doc: option.doc,
  })),
  profiles: method.profiles,
})

function overview(methods: readonly AnyMethod[]): string {
  const rows = methods.map(({ name, role, options, profiles }) => [
    name,
    role,
    Object.entries(options)
      .map(
        ([option, { default: value }]) =>
          `${option}=${typeof value === 'string' ? value : (JSON.stringify(value) ?? '')}`,
      )
      .join(','),
    Object.keys(profiles).join(','),
  ])
  const columns = rows.map((row) => row.map((cell) => cell || '-'))
  return `${leftTable(['method', 'role', 'options and defaults', 'profiles'], columns)}\nqpkv methods NAME tells more. Text form: PRUNER:option=value~ALLOCATOR~SHARING+QUANTIZER:option=value@BUDGET\n`
}

function details(method: AnyMethod): string {
  const { options, profiles } = describe(method)
  const rows = options.map(({ name, default: value, accepts, doc }) => [
    name,
    value === null ? '-' : JSON.stringify(value),
    accepts,
    doc,
  ])
  const head = `${method.name} (${method.role})${method.paper === '' ? '' : `  ${method.paper}`}\n`
  const sets = Object.entries(profiles).map(
    ([name, values]) => `profile=${name}  ${JSON.stringify(values)}\n`,
  )
  return (
    head +
    (rows.length > 0 ? leftTable(['option', 'default', 'accepts', 'meaning'], rows) : 'no options\n') +
    sets.join('')
  )
}

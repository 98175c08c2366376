import { defaultText, flagText, type Benchmark, type BenchOption } from '@qpkv/bench-kit'
import type { JsonObject } from '@qpkv/spec'
import { InvalidArgumentError, Option, type Command } from 'commander'

/** Adds a flag for every option of a benchmark that has one. */
export function addBenchFlags(command: Command, { options }: Pick<Benchmark, 'options'>): Command {
  for (const [name, option] of Object.entries(options)) {
    const flag = flagOf(name, option)
    if (flag) command.addOption(flag)
  }
  return command
}

/** The options that were given, as plain JSON. */
export function givenOptions(command: Command, { options }: Pick<Benchmark, 'options'>): JsonObject {
  const given = Object.entries(options).flatMap(([name, option]) => {
    const attribute = flagOf(name, option)?.attributeName()
    if (attribute === undefined || command.getOptionValueSource(attribute) !== 'cli') return []
    const { value, sets = true } = option.flag
    return [[name, value === undefined ? sets : (command.getOptionValue(attribute) as unknown)]]
  })
  return Object.fromEntries(given) as JsonObject
}

function flagOf(name: string, option: BenchOption): Option | undefined {
  const { flag, doc, accepts } = option
  const text = flagText(name, option)
  if (text === undefined) return undefined
  const usual = flag.value === undefined ? '' : defaultText(option)
  const about = flag.value === '<NAME>' ? `${doc} ${accepts.replace('one of ', 'One of ')}.` : doc
  const made = new Option(text, usual === '' ? about : `${about} Default ${usual}.`)
  if (made.variadic || flag.value === undefined) return made
  return made.argParser((given) => {
    try {
      return option.check(flag.read?.(given) ?? given, text)
    } catch {
      throw new InvalidArgumentError(`Expected ${accepts}.`)
    }
  })
}

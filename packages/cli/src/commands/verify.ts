import { join } from 'node:path'
import type { Model } from '@qpkv/core'
import { machineFacts } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addEngineOptions, openModel, type EngineFlags } from '../options/model.ts'
import { numberFrom, wholeNumber } from '../options/numbers.ts'
import { jsonText } from '../output/put.ts'
import { StatusLine } from '../output/status-line.ts'
import { packageFolder } from '../package-versions.ts'
import { checkLogits } from '../verify/check-logits.ts'
import { checkMemory } from '../verify/check-memory.ts'
import { checkNeedles } from '../verify/check-needles.ts'
import { checkChat, checkTokens } from '../verify/check-text.ts'
import { failed, type Check } from '../verify/check.ts'
import { readLogitsDump, type LogitsDump } from '../verify/logits-dump.ts'

interface VerifyFlags extends EngineFlags {
  readonly against?: string
  readonly needles: number
  readonly tolerance?: number
  readonly json?: boolean
}

/** `qpkv verify MODEL`: whether this engine makes of a checkpoint what it should. Exit code 1 when something differs. */
export function addVerify(program: Command, io: Io): void {
  const command = program
    .command('verify')
    .description('check a checkpoint: tokens, chat template, logits, memory, ten needles')
    .argument('<MODEL>', 'reference, a Hugging Face folder, or org/name[@revision]')
    .option('--against <FILE>', 'what transformers makes of it, by scripts/dump-logits.py')
    .option('--needles <N>', 'numbers to hide and ask for', wholeNumber(0), 10)
    .option('--tolerance <X>', 'largest difference of a logit', numberFrom(0, 1000))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nThe script that makes FILE: ${join(packageFolder(), 'scripts', 'dump-logits.py')}`,
    )
  addEngineOptions(command, 'f32').action(async (name: string, flags: VerifyFlags) => {
    const dump = flags.against === undefined ? undefined : await readLogitsDump(flags.against)
    await using model = await openModel({ ...flags, model: name }, io)
    const checks = await runChecks(model, dump, flags, io)
    io.stdout.write(flags.json === true ? toJson(name, model, dump, checks) : toText(name, model, checks))
    const wrong = checks.filter(({ outcome }) => outcome === 'failed')
    if (wrong.length > 0)
      throw new KvError('KV_DATA', `${name} differs: ${wrong.map((check) => check.name).join(', ')}.`, {
        hint: 'If logits alone differ a little, the other side may have run in 16 bit: make the dump in float32, or pass --tolerance.',
      })
  })
}

async function runChecks(
  model: Model,
  dump: LogitsDump | undefined,
  flags: VerifyFlags,
  io: Io,
): Promise<Check[]> {
  const status = new StatusLine(io.stderr)
  const steps: [string, () => Check | Promise<Check>][] = [
    ['tokenization', () => checkTokens(model, dump)],
    ['chat template', () => checkChat(model, dump)],
    ['logits', () => checkLogits(model, dump, flags.tolerance)],
    ['memory', () => checkMemory(model)],
    ['needles', () => checkNeedles(model, flags.needles)],
  ]
  const checks: Check[] = []
  for (const [name, check] of steps) {
    if (io.signal.aborted) throw new KvError('KV_ABORTED', 'Cancelled.')
    status.show(`checking ${name}`)
    try {
      checks.push(await check())
    } catch (cause) {
      if (!KvError.isInstance(cause)) throw cause
      checks.push(failed(name, cause.message)) // one broken part shall not hide what the others say
    } finally {
      status.clear()
    }
  }
  return checks
}

function toText(name: string, model: Model, checks: readonly Check[]): string {
  const { layers, queryHeads, kvHeads, headDim, architecture } = model.config
  const head = `${name}: ${architecture.className}, ${layers} layers, ${queryHeads} query and ${kvHeads} KV heads of ${headDim}, ${model.table}, ${model.precision}`
  const lines = checks.map((check) => `${check.name.padEnd(14)} ${check.outcome.padEnd(12)} ${check.detail}`)
  return `${[head, ...lines].join('\n')}\n`
}

function toJson(name: string, model: Model, dump: LogitsDump | undefined, checks: readonly Check[]): string {
  const value = {
    model: name,
    architecture: model.config.architecture.className,
    precision: model.precision,
    table: model.table,
    machine: machineFacts(),
    date: new Date().toISOString().slice(0, 10),
    ...(dump?.transformers !== undefined && { transformers: dump.transformers }),
    checks,
  }
  return jsonText(value)
}

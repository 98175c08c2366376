import { writeFile } from 'node:fs/promises'
import { ropeOfLayer } from '@qpkv/core'
import {
  calibrateLayer,
  calibrationHash,
  makeCalibration,
  recordActivations,
  undoRope,
  type LayerActivations,
} from '@qpkv/quantizer-kvquant'
import { KvError } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { addChunkOptions, readChunks, type ChunkFlags } from '../options/read-chunks.ts'
import { numberFrom, wholeNumber } from '../options/numbers.ts'
import { modelName } from '../output/bench-versions.ts'
import { StatusLine } from '../output/status-line.ts'
import { readGradients } from './calibrate-gradients.ts'

interface CalibrateFlags extends ModelFlags, ChunkFlags {
  readonly out: string
  readonly outliers: number
  readonly sinks: number
  readonly gradients?: string
}

/** `qpkv calibrate`: a calibration file for kvquant from a model's own activations. */
export function addCalibrate(program: Command, io: Io): void {
  const described = program
    .command('calibrate')
    .description('write a calibration file for kvquant: levels fitted to the activations of a model')
    .requiredOption('--out <FILE>', 'the calibration file to write')
  const command = addChunkOptions(described, 8)
    .option('--outliers <SHARE>', 'as the option of kvquant', numberFrom(0, 0.1), 0.01)
    .option('--sinks <N>', 'as the option of kvquant', wholeNumber(0), 1)
    .option(
      '--gradients <FILE>',
      'squared gradients as weights: float32, per chunk and layer K then V, [heads, tokens, headDim]',
    )
  addModelOptions(command).action(async (flags: CalibrateFlags) => {
    await calibrate(flags, io)
  })
}

async function calibrate(flags: CalibrateFlags, io: Io): Promise<void> {
  await using model = await openModel(flags, io)
  const chunks = await readChunks(model, flags, { of: flags.model, seed: 'calibrate' })
  const { layers, headDim, kvHeads } = model.config
  const gradients = flags.gradients === undefined ? undefined : await readGradients(flags.gradients)
  const perLayer: LayerActivations[][] = Array.from({ length: layers }, () => [])
  const status = new StatusLine(io.stderr)
  for (const [i, ids] of chunks.entries()) {
    status.show(`reading chunk ${i + 1} of ${chunks.length}`)
    const recorder = recordActivations()
    await using context = await model.prefill(ids, {
      compression: { quantize: recorder.quantize },
      signal: io.signal,
    })
    if (context.tokens !== ids.length) throw new KvError('KV_DATA', 'A chunk was not read to its end.')
    for (const [l, layer] of recorder.layers().entries()) {
      const { inverse, attentionFactor } = ropeOfLayer(model.config, l, ids.length)
      const key = undoRope(layer.key, layer, inverse, attentionFactor)
      perLayer[l]?.push({ ...layer, key, ...gradients?.next(kvHeads * ids.length * headDim) })
    }
  }
  gradients?.finish()
  const options = { outliers: flags.outliers, sinks: flags.sinks }
  const fitted = perLayer.map((prompts, l) => {
    status.show(`fitting layer ${l + 1} of ${layers}`)
    return calibrateLayer(prompts, options)
  })
  status.clear()
  const tokens = chunks.reduce((sum, ids) => sum + ids.length, 0)
  const calibration = makeCalibration(
    { model: modelName(model, flags.model), tokens, weighted: gradients !== undefined },
    fitted,
  )
  await writeFile(flags.out, `${JSON.stringify(calibration)}\n`)
  io.stdout.write(
    `${flags.out}: ${layers} layers from ${tokens} tokens, sha256 ${calibrationHash(calibration)}\n`,
  )
}

import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { heatMapSvg, palettes, svgToPng, type Palette } from '@qpkv/bench-kit'
import { originalHeatMap, readOriginalFolder, type OriginalScore } from '@qpkv/bench-needle'
import { KvError, omitUndefined } from '@qpkv/spec'
import { Option, type Command } from 'commander'
import { collectProblems, printProblems } from '../bench/problems.ts'
import type { Io } from '../io.ts'
import { wholeNumber } from '../options/numbers.ts'

interface HeatMapFlags {
  readonly out?: string
  readonly score: OriginalScore
  readonly expected?: string
  readonly trainedLength?: number
  readonly png?: boolean
  readonly palette: Palette
  readonly strict?: boolean
}

/** `qpkv heatmap DIR`: the needle results of the original codes as the usual picture. */
export function addHeatMap(program: Command, io: Io): void {
  program
    .command('heatmap')
    .description('draw the needle results of QPruningKV, KVCache-Factory or the first needle test')
    .argument('<DIR>', 'folder of *_results.json files')
    .option('--out <FILE>', 'the SVG (default: DIR-heatmap.svg)')
    .addOption(
      new Option(
        '--score <WHAT>',
        'overlap: words of the expected answer, as the papers plot; saved: score / 10',
      )
        .choices(['overlap', 'saved'])
        .default('overlap'),
    )
    .option('--expected <TEXT>', "the answer behind overlap (default: the usual needle's)")
    .option('--trained-length <N>', 'a dashed line at this length', wholeNumber(1))
    .addOption(
      new Option(
        '--palette <NAME>',
        "original: the codes' red, yellow and green; even: told apart by every kind of sight",
      )
        .choices(Object.keys(palettes))
        .default('original'),
    )
    .option('--png', 'as PNG, too (needs @resvg/resvg-js)')
    .option('--strict', 'a broken file ends the command')
    .action(async (folder: string, flags: HeatMapFlags) => {
      const { results, problems } = await readOriginalFolder(folder)
      const hint = 'Run that cell again, or take the file out of the folder.'
      const { problems: listed, onBadRow } = collectProblems(flags.strict === true)
      for (const problem of problems) onBadRow(new KvError('KV_DATA', `${join(folder, problem)}.`, { hint }))
      printProblems(listed, io)
      const { expected, trainedLength, score } = flags
      const map = originalHeatMap(results, { score, ...omitUndefined({ expected, trainedLength }) })
      const path = flags.out ?? `${basename(folder)}-heatmap.svg`
      const svg = heatMapSvg({ ...map, palette: flags.palette })
      await writeFile(path, svg)
      if (flags.png === true) await writeFile(path.replace(/(\.svg)?$/, '.png'), await svgToPng(svg))
      io.stdout.write(`${path}: ${map.subtitle ?? ''}\n`)
    })
}

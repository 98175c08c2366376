import type { RulerAssets } from '../assets/ruler-assets.ts'
import type { PythonRandom } from '../python/python-random.ts'
import { pythonStrip, dataError } from '@qpkv/bench-kit'
import { splitCollapsed } from '../python/python-text.ts'

const DEPTH_STEPS = 40

/** Depths in percent at which needles may stand: 40 rounded points from 0 to 100. */
const DEPTHS = Array.from({ length: DEPTH_STEPS }, (_, i) => Math.round((i * 100) / (DEPTH_STEPS - 1)))

export interface EssayHaystack {
  /** words of all essays */
  readonly length: number
  /** The first `units` words with the sentences put in at random sentence borders; words repeat when used up. */
  hide(sentences: readonly string[], units: number, random: PythonRandom): string
}

/** The essays as a haystack, split into sentences by the splitter of the assets. */
export function essayHaystack(assets: RulerAssets): EssayHaystack {
  const { essay, splitSentences } = assets
  if (essay === undefined || splitSentences === undefined) {
    throw dataError(
      assets.name,
      'the essay tasks need essays and a sentence splitter',
      'Put PaulGrahamEssays.json or a folder essays/ and punkt_tab/english/ or punkt.json into the assets folder.',
    )
  }
  const words = splitCollapsed(essay)
  let cachedUnits = -1
  let cached: string[] = []
  const sentencesOf = (units: number): string[] => {
    if (units !== cachedUnits) {
      const taken = Array.from({ length: Math.max(0, units) }, (_, i) => words[i % words.length] ?? '')
      cached = splitSentences(pythonStrip(taken.join(' ')))
      cachedUnits = units
    }
    return cached
  }
  return {
    length: words.length,
    hide: (sentences, units, random) => hideAtDepths(sentencesOf(units), sentences, random),
  }
}

function hideAtDepths(haystack: readonly string[], needles: readonly string[], random: PythonRandom): string {
  const borders = random
    .sample(DEPTHS, needles.length)
    .map((depth) => Math.trunc(haystack.length * (depth / 100)))
    .sort((a, b) => a - b)
  const pieces: string[] = []
  let from = 0
  for (const [i, border] of borders.entries()) {
    pieces.push(haystack.slice(from, border).join(' '), needles[i] ?? '')
    from = border
  }
  pieces.push(haystack.slice(from).join(' '))
  return pieces.join(' ')
}

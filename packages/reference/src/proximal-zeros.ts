import { TILE_TOKENS, type PackedFormat, type ProximalSolver } from '@qpkv/spec'
import { groupMembers } from './group-members.ts'
import { roundMetadata } from './round-metadata.ts'
import { SCALE_LIMIT, solveZeros } from './proximal-solver.ts'

const f = Math.fround

/** The proximal solver's zeros of all groups, in the order of `scales`. The solver looks at all groups of a tile at once; outliers take no part. */
export function proximalZeros(
  x: Float32Array,
  tokens: number,
  headDim: number,
  format: PackedFormat,
  outliers: Uint8Array,
): Float64Array | undefined {
  const { solver, scalePer, group } = format
  if (solver.kind !== 'proximal') return undefined
  const perChannel = scalePer === 'channel'
  const rows = Math.ceil((perChannel ? tokens : headDim) / group)
  const columns = perChannel ? headDim : tokens
  const zeros = new Float64Array(rows * columns)
  for (let tile = 0; tile < tokens; tile += TILE_TOKENS) {
    const inTile = (t: number) => t >= tile && t < tile + TILE_TOKENS
    const ids = Array.from({ length: rows * columns }, (_, g) => g).filter((g) =>
      inTile(perChannel ? Math.floor(g / columns) * group : g % columns),
    )
    const groups = ids.map((g) => {
      const members = groupMembers(format, Math.floor(g / columns), g % columns, tokens, headDim)
      const inliers = members.filter((i) => outliers[i] === 0)
      return (inliers.length > 0 ? inliers : members).map((i) => x[i]!)
    })
    const scales = groups.map((members) => proximalScale(members, format, solver))
    const inverse = scales.map((scale) => f(1 / scale))
    const start = groups.map((members, g) => (scales[g] === 0 ? 0 : f(-Math.min(...members) / scales[g]!)))
    solveZeros(groups, inverse, start, format.bits, solver).forEach((zero, i) => (zeros[ids[i]!] = zero))
  }
  return zeros
}

/**
 * The proximal solver's scale of a group, rounded: capped at the inverse 2e4; 1 for a range that is nearly 0 where the
 * solver says so; 0 for a constant group.
 */
export function proximalScale(
  group: readonly number[],
  { bits, metadata }: PackedFormat,
  { flat }: ProximalSolver,
): number {
  const range = f(Math.max(...group) - Math.min(...group))
  if (range === 0) return 0
  if (range <= flat) return 1
  return roundMetadata(metadata, f(1 / Math.min(f((2 ** bits - 1) / range), SCALE_LIMIT)))
}

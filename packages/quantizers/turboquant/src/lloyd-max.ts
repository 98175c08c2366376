/** Density of N(0, 1). */
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

/** P(X > x) of N(0, 1) for x >= 0: a series near 0, a continued fraction beyond. */
function tail(x: number): number {
  if (x === Infinity) return 0
  if (x < 2.5) {
    let term = x
    let sum = x
    for (let k = 1; Math.abs(term) > 1e-18 * sum; k++) {
      term *= (x * x) / (2 * k + 1)
      sum += term
    }
    return 0.5 - density(x) * sum
  }
  let fraction = x
  for (let k = 80; k > 0; k--) fraction = x + k / fraction
  return density(x) / fraction
}

/**
 * The 2^bits levels of least mean squared error for values of N(0, 1), ascending and symmetric: every level is the mean
 * of what is nearest to it (Lloyd 1957, Max 1960). Newton's method on the upper half, to 1e-13.
 */
export function lloydMax(bits: number): Float64Array {
  const half = 2 ** (bits - 1)
  // Places of equal shares of the cube root of the density, where many levels would lie.
  const levels = Float64Array.from(
    { length: half },
    (_, i) => Math.sqrt(3) * quantile((i + 0.5) / (2 * half)),
  )
  for (let step = 0; step < 100; step++) {
    const moves = newtonMoves(levels)
    let most = 0
    for (let i = 0; i < half; i++) {
      levels[i]! -= moves[i]!
      most = Math.max(most, Math.abs(moves[i]!))
    }
    if (most < 1e-14) break
  }
  return Float64Array.from({ length: 2 * half }, (_, i) =>
    i < half ? -levels[half - 1 - i]! : levels[i - half]!,
  )
}

/** The x with P(0 < X < x) = share, by halving. */
function quantile(share: number): number {
  let [low, high] = [0, 10]
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2
    if (0.5 - tail(middle) < share) low = middle
    else high = middle
  }
  return low
}

/** Solves the tridiagonal system of one Newton step of level[i] - mean(boundary[i], boundary[i + 1]) = 0. */
function newtonMoves(levels: Float64Array): Float64Array {
  const n = levels.length
  const boundary = Float64Array.from({ length: n + 1 }, (_, i) =>
    i === 0 ? 0 : i === n ? Infinity : (levels[i - 1]! + levels[i]!) / 2,
  )
  const below = new Float64Array(n)
  const middle = new Float64Array(n)
  const above = new Float64Array(n)
  const error = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const [low, high] = [boundary[i]!, boundary[i + 1]!]
    const mass = tail(low) - tail(high)
    const mean = (density(low) - density(high)) / mass
    // How the mean moves with the levels on both sides; the inner boundary at 0 stays.
    const down = i === 0 ? 0 : ((density(low) / mass) * (mean - low)) / 2
    const up = high === Infinity ? 0 : ((density(high) / mass) * (high - mean)) / 2
    below[i] = -down
    middle[i] = 1 - down - up
    above[i] = -up
    error[i] = levels[i]! - mean
  }
  for (let i = 1; i < n; i++) {
    const factor = below[i]! / middle[i - 1]!
    middle[i]! -= factor * above[i - 1]!
    error[i]! -= factor * error[i - 1]!
  }
  const moves = new Float64Array(n)
  for (let i = n - 1; i >= 0; i--)
    moves[i] = (error[i]! - (i + 1 < n ? above[i]! * moves[i + 1]! : 0)) / middle[i]!
  return moves
}

/**
 * Keys whose exact leverage is that of the keys' random projections: a matrix A [dim, dim] with A A^T = P P^T, the
 * factor of Cholesky, stands for the projections P [dim, width]. x A (A^T X^T X A + r I)^-1 A^T x^T is then the same number
 * for any such A. keys: [heads, tokens, dim]; projections: [heads, dim, width].
 */
export function squareSketch(
  keys: Float32Array,
  projections: Float32Array,
  { heads, tokens, dim }: { readonly heads: number; readonly tokens: number; readonly dim: number },
): Float32Array {
  const width = projections.length / (heads * dim)
  const out = new Float32Array(keys.length)
  for (let h = 0; h < heads; h++) {
    const own = projections.subarray(h * dim * width, (h + 1) * dim * width)
    const a = width <= dim ? padded(own, dim, width) : factor(own, dim, width)
    for (let t = 0; t < tokens; t++)
      for (let j = 0; j < dim; j++) {
        let sum = 0
        for (let i = 0; i < dim; i++) sum += keys[(h * tokens + t) * dim + i]! * a[i * dim + j]!
        out[(h * tokens + t) * dim + j] = sum
      }
  }
  return out
}

/** Fewer projections than channels: the other columns are empty. */
function padded(p: Float32Array, dim: number, width: number): Float64Array {
  const a = new Float64Array(dim * dim)
  for (let i = 0; i < dim; i++) for (let j = 0; j < width; j++) a[i * dim + j] = p[i * width + j]!
  return a
}

/** The lower factor of P P^T. */
function factor(p: Float32Array, dim: number, width: number): Float64Array {
  const a = new Float64Array(dim * dim)
  for (let i = 0; i < dim; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0
      for (let c = 0; c < width; c++) sum += p[i * width + c]! * p[j * width + c]!
      for (let c = 0; c < j; c++) sum -= a[i * dim + c]! * a[j * dim + c]!
      a[i * dim + j] = i === j ? Math.sqrt(sum) : sum / a[j * dim + j]!
    }
  return a
}

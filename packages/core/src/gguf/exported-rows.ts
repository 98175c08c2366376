/** What a GGUF file changes of a tensor's values, to be taken back. */
export interface RowOrder {
  /** Rows of a head stand in pairs of rotated channels (0, d / 2, 1, d / 2 + 1, ...): its d. 0: they do not. */
  readonly headDim: number
  /** What was added to each value, which is float32 then; 0: nothing. */
  readonly subtract: number
}

/** Rows of a matrix, or values of a vector. */
export const tensorRows = (shape: readonly number[]): number => shape[0] ?? 1

/** Values and rows as a Hugging Face folder has them: first halves of the pairs, then second halves, head by head. */
export function huggingFaceRows(values: Buffer, rows: number, { headDim, subtract }: RowOrder): Buffer {
  if (subtract !== 0)
    for (let at = 0; at < values.length; at += 4) values.writeFloatLE(values.readFloatLE(at) - subtract, at)
  if (headDim === 0) return values
  const rowBytes = values.length / rows
  const ordered = Buffer.alloc(values.length)
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim
    const to = row - inHead + (inHead % 2) * (headDim / 2) + (inHead >> 1)
    values.copy(ordered, to * rowBytes, row * rowBytes, (row + 1) * rowBytes)
  }
  return ordered
}

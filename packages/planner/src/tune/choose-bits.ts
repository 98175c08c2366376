/** What one tensor of a layer costs at one width. */
export interface Choice<Width> {
  readonly width: Width
  readonly bytes: number
  readonly error: number
}

interface Partial<Width> {
  readonly bytes: number
  readonly error: number
  readonly widths: readonly Width[]
}

/**
 * One width per tensor with the least sum of errors in at most so many bytes, exactly: tensors are joined one by one, and of the ways to store
 * those so far only those stay that no other beats in bytes and error. Equal errors go to fewer bytes.
 * @returns a width per tensor; undefined where not even the smallest fit
 */
export function chooseBits<Width>(
  tensors: readonly (readonly Choice<Width>[])[],
  budget: number,
): readonly Width[] | undefined {
  let front: Partial<Width>[] = [{ bytes: 0, error: 0, widths: [] }]
  for (const choices of tensors) {
    const joined = front.flatMap(({ bytes, error, widths }) =>
      choices.map((choice) => ({
        bytes: bytes + choice.bytes,
        error: error + choice.error,
        widths: [...widths, choice.width],
      })),
    )
    front = undominated(joined.filter(({ bytes }) => bytes <= budget))
  }
  // Errors fall along the front.
  return front.at(-1)?.widths
}

function undominated<Width>(ways: readonly Partial<Width>[]): Partial<Width>[] {
  let least = Infinity
  return [...ways]
    .sort((a, b) => a.bytes - b.bytes || a.error - b.error)
    .filter(({ error }) => {
      if (error >= least) return false
      least = error
      return true
    })
}

/**
 * Classification score, 0..1: one over the number of class names found in the prediction, if the right one is among
 * them. Found = case-sensitive substring, in the order of the file. Names that are proper substrings of the right one
 * are removed by a walk over the list *that is being shortened*, so the name after a removed one is passed over.
 */
export function classification(prediction: string, reference: string, classes: readonly string[]): number {
  const found = classes.filter((name) => prediction.includes(name))
  for (let at = 0; at < found.length; at++) {
    const name = found[at] ?? ''
    // Like `list.remove`: the first equal element goes, which may lie before this one if a name is listed twice.
    if (reference.includes(name) && name !== reference) found.splice(found.indexOf(name), 1)
  }
  return found.includes(reference) ? 1 / found.length : 0
}

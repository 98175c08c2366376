/**
 * The merges of a BPE tokenizer, best first, from the pieces' scores: SentencePiece joins the neighbours
 * whose union has the highest score, so every way to cut a piece into two others is a merge with
 * the rank of its union. Equal scores keep the order of ids.
 * @param pieces by id; undefined where a token is never the result of merging.
 */
export function mergesFromScores(
  pieces: readonly (string | undefined)[],
  scores: readonly number[],
): [left: string, right: string][] {
  const known = new Set(pieces)
  const order = pieces.flatMap((piece, id) => (piece === undefined ? [] : [{ piece, id }]))
  order.sort((a, b) => (scores[b.id] ?? 0) - (scores[a.id] ?? 0) || a.id - b.id)
  const merges: [string, string][] = []
  for (const { piece } of order) {
    const characters = Array.from(piece)
    for (let i = 1, left = ''; i < characters.length; i++) {
      left += characters[i - 1]
      const right = piece.slice(left.length)
      if (known.has(left) && known.has(right)) merges.push([left, right])
    }
  }
  return merges
}

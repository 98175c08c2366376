/** Core's native tests that look at ops, by parts of their names; those of the engine and the scheduler say nothing of another backend. */
export const opTests = `
  RmsNorm Scale Rope Glu StoreHeads Embed LoadFloats Matmul PackWeight CodedWeights
  Experts PrefillAttention Statistics Scores ShareHeads Select Pack Unpack MarkTokens
  CheckParts AppendTokens DecodeAttention EvictLowest NoteNan CountTokens Sample
  MoveScores
`
  .trim()
  .split(/\s+/)

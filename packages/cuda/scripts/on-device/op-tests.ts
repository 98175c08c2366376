/**
 * Every op of core's table (native/ops/ops.h) with the native tests that hold it to its reference. They run over the kernels on the
 * host executor (`npm run cuda:test`) and, the same ones, on a GPU (on-device.sh). Tests of the engine and the scheduler are not
 * here: they say nothing of another backend.
 */
export const testsOfOps: Readonly<Record<string, readonly string[]>> = {
  Allocate: ['DeviceMemory'],
  Release: ['DeviceMemory'],
  Upload: ['DeviceMemory'],
  Download: ['DeviceMemory'],
  Copy: ['DeviceMemory', 'ReplayRunsAgain'],
  Zero: ['DeviceMemory', 'ReplayRunsAgain'],
  Check: ['DeviceMemory', 'ReplayRunsAgain'],
  Replay: ['ReplayRunsAgain'],
  LoadFloats: ['LoadFloatsFromAnyByte'],
  Embed: ['Embed'],
  PackedWeightBytes: ['PackWeight', 'PackWeightFromAnyByte'],
  PackWeight: [
    'PackWeight',
    'PackWeightFromAnyByte',
    'CodedWeightsOfAFile',
    'CodedWeightsRounded',
    'CodedWeightsAtTheEdges',
  ],
  Matmul: [
    'Matmul',
    'MatmulManyRows',
    'MatmulRowsAlone',
    'MatmulCoded',
    'MatmulCodedRowsAlone',
    'MatmulRounded',
  ],
  RmsNorm: ['RmsNorm', 'RmsNormOfHeads'],
  Rope: ['Rope'],
  Scale: ['Scale'],
  Glu: ['Glu'],
  Experts: ['Experts', 'ExpertsRowsAlone'],
  StoreHeads: ['StoreHeads'],
  PrefillAttention: ['PrefillAttention', 'PrefillAttentionRange'],
  ScoreOperation: [
    'GroupScores',
    'CombineScores',
    'NormalizeScores',
    'PoolScores',
    'EntropyGate',
    'EntropyGateByHand',
    'ScoresOfStoredHeads',
    'ScoresMeasuredOnce',
    'ScoreOfSeveralOperations',
    'ScoresRefused',
  ],
  ShareHeads: ['ShareHeads'],
  Select: ['Select', 'SelectNan'],
  AppendTokens: ['AppendTokensEqualsReference'],
  DecodeAttention: [
    'DecodeAttentionEveryFormat',
    'DecodeAttentionEveryDim',
    'DecodeAttentionEveryRowCount',
    'DecodeAttentionMixedSegments',
    'DecodeAttentionHiddenTokens',
    'DecodeAttentionSoftCap',
    'DecodeAttentionMaskedSlots',
    'DecodeAttentionKeysBeforeRope',
    'DecodeAttentionEqualForEveryThreadCount',
    'DecodeAttentionReadsTheParts',
    'DecodeAttentionOverStoredForms',
    'DecodeAttentionOverNormsBalancesAndZeros',
    'StoredFormsKeepAttention',
  ],
  EvictLowest: ['EvictLowestEqualsReference', 'EvictLowestKnown'],
  MoveScores: ['MoveScores'],
  UploadPieces: ['UploadPieces'],
  MeanTokens: ['MeanTokensEqualsReference'],
  Pack: [
    'PackEqualsReference',
    'PackBeyondAThreshold',
    'PackPiecewiseAndByIndex',
    'PackEqualForEveryThreadCount',
    'PackTransforms',
  ],
  Unpack: [
    'UnpackEqualsReference',
    'UnpackWithinHalfAStep',
    'UnpackPassesOverImpossibleOutliers',
    'UnpackKnownBytes',
  ],
  MarkTokens: ['MarkTokensEqualsReference'],
  CheckParts: ['CheckPartsAgreeOnDamagedBytes', 'CheckPartsNameEveryFault'],
  NoteNan: ['NoteNan'],
  CountTokens: ['CountTokens'],
  Sample: ['Sample', 'SampleDoesWhatItSays'],
}

/** Of statistics, all that the library has. */
export const testsOfStatistics = ['Statistics', 'StatisticsInBf16', 'StatisticsWide']

/** What the op suite is called with: whole names. */
export const opTests: readonly string[] = [
  ...new Set(Object.values(testsOfOps).flat()),
  ...testsOfStatistics,
].map((name) => `=${name}`)

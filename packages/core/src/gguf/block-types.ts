/** How the values of a GGUF tensor lie in the file: `values` of a row share one block of `bytes`. */
export interface BlockType {
  /** As the format's own tools write it. */
  readonly name: string
  readonly values: number
  readonly bytes: number
}

/** Tensor types that are read, by their number in the file. */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map([
  [0, { name: 'F32', values: 1, bytes: 4 }],
  [1, { name: 'F16', values: 1, bytes: 2 }],
  [2, { name: 'Q4_0', values: 32, bytes: 18 }],
  [3, { name: 'Q4_1', values: 32, bytes: 20 }],
  [6, { name: 'Q5_0', values: 32, bytes: 22 }],
  [7, { name: 'Q5_1', values: 32, bytes: 24 }],
  [8, { name: 'Q8_0', values: 32, bytes: 34 }],
  [12, { name: 'Q4_K', values: 256, bytes: 144 }],
  [13, { name: 'Q5_K', values: 256, bytes: 176 }],
  [14, { name: 'Q6_K', values: 256, bytes: 210 }],
  [30, { name: 'BF16', values: 1, bytes: 2 }],
])

/** Types that exist and are not read, for messages. */
const otherTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
}

/** The name of a type that is not read. */
export const typeName = (id: number): string => otherTypes[id] ?? `number ${id}`

/**
 * How weight matrices are kept in memory.
 *
 * - `auto` (default): as the file has them, a GGUF file's own codes included; nothing is lost.
 * - `stored`: exact values, codes of a GGUF file read into float32.
 * - `int8`, `int4`: rounded while they are loaded, to codes with one f16 scale per 32 input features, chosen for the least
 *   squared error; this changes results. Under `int4` the embedding and the head take 8 bits: an error there meets every
 *   token alone. Codes of a file that take no more room stay as they are; so do vectors and the routers of experts.
 */
export type WeightsMode = 'auto' | 'stored' | 'int8' | 'int4'

export const weightsModes: readonly WeightsMode[] = ['auto', 'stored', 'int8', 'int4']

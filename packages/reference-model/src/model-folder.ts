import { fileURLToPath } from 'node:url'

/** Absolute path of the bundled model, a Hugging Face folder; the same from the sources and from the built package. */
export const modelFolder: string = fileURLToPath(new URL('../model/', import.meta.url)).replace(/[\\/]$/, '')

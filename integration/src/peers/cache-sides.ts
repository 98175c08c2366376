import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import type { Json } from '@qpkv/spec'
import { copyFileSync } from 'node:fs'
import { bringLlamaCpp, PEER } from '../real-model/llama-cpp.ts'
import type { Side } from './caches.ts'
import { Player } from './player.ts'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Ours: quantized alone, pruned alone and both, from an eighth of the bytes to a half. */
const ours = [
  'none+kivi:bits=8,group=32,recent=32',
  'none+kivi:bits=4,group=32,recent=32',
  'none+turboquant:bits=4,recent=32',
  'none+kivi:bits=2,group=32,recent=32',
  'keydiff+none@25%B',
  'expected-attention+kivi:bits=4,group=32,recent=32@25%B',
  'keydiff+kivi:bits=4,group=32,recent=32@25%B',
  'keydiff+kivi:bits=4,group=32,recent=32@12.5%B',
]

/**
 * transformers' caches with the library's own settings, and in groups of 32 with 32 exact tokens as ours have them; kvpress keeps a quarter at
 * 16 bit. quanto takes keys per token only (its other axis wants lengths that groups divide).
 */
const transformers: Readonly<Record<string, Json>> = {
  'quanto 4 bit': { cache: 'quanto', bits: 4, axis: 0, group: 64, residual: 128 },
  'quanto 2 bit': { cache: 'quanto', bits: 2, axis: 0, group: 64, residual: 128 },
  'HQQ 4 bit': { cache: 'hqq', bits: 4, axis: 1, group: 64, residual: 128 },
  'HQQ 4 bit, groups of 32': { cache: 'hqq', bits: 4, axis: 1, group: 32, residual: 32 },
  'HQQ 2 bit': { cache: 'hqq', bits: 2, axis: 1, group: 64, residual: 128 },
  'HQQ 2 bit, groups of 32': { cache: 'hqq', bits: 2, axis: 1, group: 32, residual: 32 },
  'kvpress keydiff, 25 %': { press: 'KeyDiffPress', options: {}, ratio: 0.75 },
  'kvpress expected attention, 25 %': { press: 'ExpectedAttentionPress', options: {}, ratio: 0.75 },
}

const llamaCpp = {
  f16: { kv: 'f16', flashAttention: true },
  q8_0: { kv: 'q8_0', flashAttention: true },
  q4_0: { kv: 'q4_0', flashAttention: true },
}

/** The three programs on one file. */
export function cacheSides(file: string, folder: string, python: string, threads: number): Side[] {
  return [
    {
      name: 'qpkv',
      settings: Object.fromEntries(ours.map((spec) => [spec, { spec }])),
      start: () =>
        Player.start(process.execPath, [...process.execArgv, here('qpkv-player.ts'), file, String(threads)]),
    },
    {
      name: 'node-llama-cpp',
      settings: llamaCpp,
      start: () => {
        bringLlamaCpp(join(folder, 'peer'))
        const script = join(folder, 'peer', 'llama-cpp-player.mjs')
        copyFileSync(here('llama-cpp-player.mjs'), script)
        return Player.start('node', [script, file, String(threads)], {
          environment: { PEER_VERSION: PEER.split('@')[1] },
        })
      },
    },
    {
      name: 'transformers',
      settings: transformers,
      start: () => Player.start(python, [here('transformers_player.py'), file, String(threads)]),
    },
  ]
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const folder = mkdtempSync(join(tmpdir(), 'qpkv-scripts-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const qpkv = 'node --conditions=@qpkv/source --import tsx packages/cli/src/main.ts'

/** Runs a script of examples/scripts with these variables; returns its output, or throws with its complaint. */
function script(name: string, variables: Readonly<Record<string, string>>): string {
  const env = { ...process.env, QPKV: qpkv, save_dir: folder, max_prompt_tokens: '2000', ...variables }
  return execFileSync('bash', [join('examples', 'scripts', `${name}.sh`)], {
    cwd: root,
    env,
    encoding: 'utf8',
    stdio: 'pipe',
  })
}

describe('the scripts with the variables of QPruningKV', () => {
  it('run LongBench: a capacity is tokens, and 16-bit tokens for LayerQuant', () => {
    const few = { datasets: 'hotpotqa', max_num_examples: '1' }
    const kivi = { method: 'SnapKV', max_capacity_prompts: '128', quant_method: 'kivi', nbits: '4' }
    expect(script('longbench', { ...few, ...kivi })).toContain(
      'snapkv:profile=qpruningkv+kivi:profile=qpruningkv,bits=4,group=64@128t#heads=query',
    )
    const layers = { method: 'LayerQuant', quant_method: 'layerquant', quant_end_layers: '2' }
    expect(script('longbench', { ...few, ...layers })).toContain(
      '+layerquant:profile=qpruningkv,from=0,to=2,rangeBits=8@128x16#heads=query',
    )
  }, 60_000)

  it('run RULER and the needle', () => {
    const ruler = script('ruler', {
      tasks: 'niah_single_1',
      context_lengths: '512',
      max_num_examples: '1',
      method: 'StreamingLLM',
      max_capacity_prompts: '-1',
      max_capacity_prompts_ratio: '0.5',
    })
    expect(ruler).toMatch(/streamingllm:profile=qpruningkv\+none@50%#heads=query +512/)
    const needle = script('needle', { s_len: '600', e_len: '600', step: '100', method: 'pyramidkv' })
    expect(needle).toMatch(/pyramidkv:profile=qpruningkv\+none@128t#heads=query .* 10\n/)
    expect(readdirSync(folder).length).toBeGreaterThan(1)
  }, 60_000)

  it('refuse variables that would do nothing', () => {
    expect(() => script('longbench', { attn_implementation: 'sdpa' })).toThrow(
      /attn_implementation=sdpa does nothing here/,
    )
    expect(() => script('longbench', { nbits: '4' })).toThrow(/nbits=4 does nothing without quant_method/)
    expect(() => script('longbench', { quant_end_layers: '2' })).toThrow(/does nothing without LayerQuant/)
  })

  it('refuse a method that is none', () => {
    expect(() => script('longbench', { method: 'Nosuch' })).toThrow(/method=Nosuch: expected FullKV/)
  })
})

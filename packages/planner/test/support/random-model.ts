import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { onTestFinished } from 'vitest'

const size = { hidden: 64, inner: 96, layers: 3, heads: 4, kvHeads: 2, headDim: 16, vocab: 3712 }

/**
 * A model of random float32 weights with the bundled tokenizer: it answers nothing, and its next tokens depend on what it read. What the idle
 * layer attends to has no effect.
 */
export function randomModel(seed: number, idleLayer?: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-planner-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  copyFileSync(join(modelFolder, 'tokenizer.json'), join(folder, 'tokenizer.json'))
  const config = {
    model_type: 'llama',
    hidden_size: size.hidden,
    intermediate_size: size.inner,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.kvHeads,
    head_dim: size.headDim,
    vocab_size: size.vocab,
    max_position_embeddings: 4096,
    tie_word_embeddings: true,
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  writeFileSync(join(folder, 'model.safetensors'), weights(seed, idleLayer))
  return folder
}

function weights(seed: number, idleLayer: number | undefined): Buffer {
  const { hidden, inner, layers, heads, kvHeads, headDim, vocab } = size
  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [vocab, hidden]],
    ['model.norm.weight', [hidden]],
  ]
  for (let l = 0; l < layers; l++)
    for (const [name, shape] of [
      ['input_layernorm', [hidden]],
      ['post_attention_layernorm', [hidden]],
      ['self_attn.q_proj', [heads * headDim, hidden]],
      ['self_attn.k_proj', [kvHeads * headDim, hidden]],
      ['self_attn.v_proj', [kvHeads * headDim, hidden]],
      ['self_attn.o_proj', [hidden, heads * headDim]],
      ['mlp.gate_proj', [inner, hidden]],
      ['mlp.up_proj', [inner, hidden]],
      ['mlp.down_proj', [hidden, inner]],
    ] as const)
      shapes.push([`model.layers.${l}.${name}.weight`, [...shape]])
  let state = seed >>> 0
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 31 - 1
  }
  const header: Record<string, unknown> = {}
  const parts: Buffer[] = []
  let at = 0
  for (const [name, shape] of shapes) {
    const count = shape.reduce((product, n) => product * n, 1)
    const idle = name === `model.layers.${idleLayer}.self_attn.o_proj.weight`
    const scale = idle ? 0 : name.includes('embed') ? 0.5 : 3 / Math.sqrt(shape[1] ?? 1)
    const values = Float32Array.from({ length: count }, () => (name.includes('norm') ? 1 : scale * random()))
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + 4 * count] }
    at += 4 * count
    parts.push(Buffer.from(values.buffer))
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, ...parts])
}

import { kvError } from '../errors.ts'
import type { WeightFiles } from './weight-files.ts'

/** Buffers that older libraries saved with the weights; the engine computes them. */
const BUFFERS = /(^|\.)(rotary_emb\.(inv_freq|cos_cached|sin_cached)|attention\.(bias|masked_bias))$/
/** The parts that the engine computes: what stands there and is not read would change every result. */
const COMPUTED = /^(language_model\.)?(model\.|lm_head\.)/
/** What quantized weights have beside or instead of a tensor. */
const QUANTIZED =
  /\.(qweight|qzeros|g_idx|scales|biases|absmax|quant_map|SCB|weight_packed|weight_scale(_inv)?|weight_zero_point|weight_shape|quant_state\..*)$/

/**
 * Refuses tensors of the parts that the engine computes which it does not read, and warns about others.
 * @throws KV_MODEL_FILE.
 */
export function checkLeftovers(weights: WeightFiles, used: ReadonlySet<string>, folder: string): void {
  const left = [...weights.tensors.keys()].filter((name) => !used.has(name) && !BUFFERS.test(name))
  const computed = left.filter((name) => COMPUTED.test(name))
  if (computed.length > 0)
    throw kvError(
      'KV_MODEL_FILE',
      `The weights of ${folder} hold ${list(computed)}, which config.json does not announce; without them the replies would be those of another model.`,
      'The folder mixes two models, or its config.json is wrong (architectures, num_hidden_layers, biases): download both again.',
    )
  if (left.length > 0)
    process.emitWarning(`The weights of ${folder} hold ${list(left)}; these parts are left out.`, {
      code: 'KV_MODEL_FILE',
      type: 'KvWarning',
    })
}

/** Names of tensors that only quantized weights have; undefined where there are none. */
export function quantizedTensor(weights: WeightFiles): string | undefined {
  return [...weights.tensors.keys()].find((name) => QUANTIZED.test(name))
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} and ${names.length - 3} more tensors` : shown
}

import { pythonStrip } from '@qpkv/bench-kit'

const CONTROL_RANGE = '[\x00-\x1f]'
const CONTROL = new RegExp(CONTROL_RANGE, 'g')

/** RULER's own clean-up of a prediction: strip, each control character to a newline, strip again. */
export function postProcessOfficial(prediction: string): string {
  return pythonStrip(pythonStrip(prediction).replaceAll(CONTROL, '\n'))
}

/** kvpress's clean-up: like RULER's, but control characters are deleted, which can glue words together. */
export function postProcessKvpress(prediction: string): string {
  return pythonStrip(pythonStrip(prediction).replaceAll(CONTROL, ''))
}

/** QPruningKV and KVCache-Factory score the prediction as it is. */
export function postProcessNone(prediction: string): string {
  return prediction
}

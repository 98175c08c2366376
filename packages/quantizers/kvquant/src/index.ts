export { kvquant, kvquant as default } from './kvquant.ts'
export {
  calibrateLayer,
  makeCalibration,
  type CalibrationOptions,
  type LayerActivations,
} from './calibrate.ts'
export {
  calibrationHash,
  checkCalibration,
  readCalibration,
  type Calibration,
  type CodebookBits,
  type Codebooks,
} from './calibration.ts'
export { kmeans, weightedError } from './kmeans.ts'
export { normalFloatLevels } from './normal-float.ts'
export {
  channelThresholds,
  percentile,
  quantizeKeysNuq,
  quantizeValuesNuq,
  type NuqResult,
} from './original-nuq.ts'
export { recordActivations, undoRope, type ActivationRecorder } from './record-activations.ts'

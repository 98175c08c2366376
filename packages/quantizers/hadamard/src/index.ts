export { hadamard, hadamard as default } from './hadamard.ts'
export { channelSigns } from './channel-signs.ts'

import { KvError } from '@qpkv/spec'
import type { FuzzTargets } from '../../tools/fuzz/target.ts'

// Readers that go wrong on every input that is not the seed, each in its own way; fuzzer.test.ts looks whether the fuzzer notices.
const SEED = 'a seed that is sound'

const onOthers = (fault: () => void) => ({
  read(bytes: Uint8Array) {
    if (Buffer.from(bytes).toString() !== SEED) fault()
  },
})

export const targetsIn: FuzzTargets = () => ({
  refuses: onOthers(() => {
    throw new KvError('KV_DATA', 'This is not the seed.')
  }),
  throws: onOthers(() => {
    throw new TypeError('cannot read the planted property')
  }),
  dies: onOthers(() => {
    process.kill(process.pid, 'SIGSEGV')
  }),
  hangs: onOthers(() => {
    for (;;);
  }),
})

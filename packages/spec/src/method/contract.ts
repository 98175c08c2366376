import { KvError } from '../errors.ts'
import { CONTRACT } from './method.ts'

/** KV_CONTRACT for a method that was made for another version of the contract. */
export const olderContract = (name: string, contract: unknown): KvError =>
  new KvError(
    'KV_CONTRACT',
    `The method "${name}" follows contract ${String(contract)}; this version of qpkv runs contract ${CONTRACT}.`,
    {
      hint:
        Number(contract) > CONTRACT
          ? 'Install a newer qpkv.'
          : 'Update its package, or carry it over: docs/from-0.1-to-0.2.md in the repository says how, field by field.',
    },
  )

import type * as Bullmq from 'bullmq'
import type { SampleRange } from '@qpkv/bench-kit'
import { UsageError } from '../usage-error.ts'
import type { ModelFlags } from '../options/model.ts'
import type { RangedJob } from './read-jobs.ts'

/** What stands in the queue: a job with a range of samples, and how its model is loaded. Plain JSON. */
export interface QueuedWork {
  readonly job: RangedJob & { readonly samples: SampleRange }
  readonly load: Pick<ModelFlags, 'precision' | 'weights'>
  /** The sweep has given it up. */
  readonly cancelled?: boolean
}

export const DEFAULT_QUEUE = 'qpkv'

/** The library, which is installed only where a queue is used. */
export async function importBullmq(): Promise<typeof Bullmq> {
  try {
    return await import('bullmq')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new UsageError('Queues need the package bullmq.', 'npm install bullmq ioredis')
  }
}

/** `redis://host:6379`, for workers and sweeps alike. */
export function connectionTo(url: string): { readonly url: string; readonly maxRetriesPerRequest: null } {
  if (!/^rediss?:\/\//.test(url))
    throw new UsageError(`${url} is no address of a Redis server.`, 'For instance redis://127.0.0.1:6379.')
  return { url, maxRetriesPerRequest: null }
}

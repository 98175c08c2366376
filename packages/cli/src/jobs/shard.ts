import type { Shard } from '@qpkv/bench-kit'
import { InvalidArgumentError } from 'commander'
import { UsageError } from '../usage-error.ts'

/** `2/8`: the second of eight parts, for commander. */
export function parseShard(text: string): Shard {
  const [, part, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number)
  if (part === undefined || count === undefined || part < 1 || part > count)
    throw new InvalidArgumentError('Expected i/n with i from 1 to n, such as 2/8.')
  return { index: part - 1, count }
}

const whole = (env: NodeJS.ProcessEnv, name: string): number | undefined => {
  const value = env[name]
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
}

/**
 * The part that a cluster has given this process. With `count` parts the index is taken as it is: SLURM_ARRAY_TASK_ID of an array 0 to
 * count - 1, or JOB_COMPLETION_INDEX of an indexed Kubernetes job. Without it a Slurm array says how many there are.
 */
export function shardOf(env: NodeJS.ProcessEnv, count?: number): Shard {
  const task = whole(env, 'SLURM_ARRAY_TASK_ID')
  if (count === undefined) {
    const tasks = whole(env, 'SLURM_ARRAY_TASK_COUNT')
    if (task !== undefined && tasks !== undefined)
      return inside({ index: task - (whole(env, 'SLURM_ARRAY_TASK_MIN') ?? 0), count: tasks })
    if (task !== undefined || whole(env, 'JOB_COMPLETION_INDEX') !== undefined)
      throw new UsageError('This process is one of several; say how many: --shards N.')
    return { index: 0, count: 1 }
  }
  const index = task ?? whole(env, 'JOB_COMPLETION_INDEX')
  if (index === undefined)
    throw new UsageError(
      '--shards reads SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, and neither is set.',
      'By hand: --shard 1/8 to --shard 8/8.',
    )
  return inside({ index, count })
}

function inside(shard: Shard): Shard {
  if (shard.index < shard.count) return shard
  throw new UsageError(
    `This is task ${shard.index}, but the ${shard.count} parts are numbered from 0 to ${shard.count - 1}.`,
    `Submit an array of 0-${shard.count - 1}.`,
  )
}

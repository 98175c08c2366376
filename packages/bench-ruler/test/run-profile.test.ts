import { describe, expect, it } from 'vitest'
import { RUN_PROFILES, taskRule } from '../src/run-profile.ts'

describe('run profiles', () => {
  it('keep the official rule per task, where QPruningKV has one for all', () => {
    expect(taskRule('official', 'qa_1')).toEqual({ newTokens: 32, metric: 'part' })
    expect(taskRule('kvpress', 'cwe')).toEqual({ newTokens: 120, metric: 'all' })
    expect(taskRule('qpruningkv', 'vt')).toEqual({ newTokens: 64, metric: 'all' })
  })

  it('leave the questions out where the code base has none', () => {
    expect(RUN_PROFILES.official.tasks).toHaveLength(13)
    expect(RUN_PROFILES.qpruningkv.tasks).toHaveLength(11)
    expect(RUN_PROFILES['kvcache-factory'].truncation?.llama3).toBe(7500)
  })
})

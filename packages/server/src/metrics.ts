import type { Chat, Replies } from '@qpkv/chat'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Gate } from './gate.ts'

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** What Prometheus reads at /metrics. */
export class Metrics {
  readonly registry = new Registry()
  readonly requests = this.counter('qpkv_requests_total', 'Requests by path and status', ['path', 'status'])
  readonly promptTokens = this.counter('qpkv_prompt_tokens_total', 'Tokens of prompts')
  readonly cachedTokens = this.counter(
    'qpkv_cached_tokens_total',
    'Of these, tokens that a kept context had read',
  )
  readonly generatedTokens = this.counter('qpkv_generated_tokens_total', 'Tokens of replies')
  readonly firstToken = this.histogram(
    'qpkv_time_to_first_token_seconds',
    'From arrival to the first token of a reply',
  )
  readonly duration = this.histogram('qpkv_request_seconds', 'From arrival to the end of a reply')
  readonly tokenRate = new Histogram({
    name: 'qpkv_tokens_per_second',
    help: 'Tokens per second of a reply, behind its first',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers: [this.registry],
  })
  /** Replies at work. */
  readonly working = new Set<Replies>()
  /** What is read from elsewhere when somebody asks. */
  private readonly reads: (() => void)[] = []

  constructor(chat: Chat, gate: Gate) {
    const { model } = chat
    this.gauge('qpkv_requests_running', 'Requests at work', () => gate.counts.running)
    this.gauge('qpkv_requests_waiting', 'Requests in the queue', () => gate.counts.waiting)
    this.gauge('qpkv_batch_size', 'Contexts that the last step advanced together', () => model.stats().batch)
    // The mean batch over any span: tokens by steps.
    this.total('qpkv_engine_steps_total', 'Steps of the engine', () => model.stats().steps)
    this.total('qpkv_engine_tokens_total', 'Tokens of these steps', () => model.stats().tokens.later)
    this.gauge(
      'qpkv_engine_prompts',
      'Prompts that run or wait in the engine',
      () => model.stats().queue.prompts,
    )
    this.gauge('qpkv_weight_bytes', 'Bytes of weights', () => model.weightBytes)
    this.gauge('qpkv_granted_bytes', 'Granted to prompts and caches', () => model.stats().bytes.granted)
    this.gauge('qpkv_limit_bytes', 'Of these at most', () => model.stats().bytes.limit)
    this.gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
    this.gauge('qpkv_prefix_hits', 'Prompts that went on from a kept context', () => chat.prefixStats.hits)
    this.gauge('qpkv_prefix_opened', 'Of these, those that came from a file', () => chat.prefixStats.opened)
    this.gauge('qpkv_prefix_misses', 'Prompts that asked for one in vain', () => chat.prefixStats.misses)
    this.gauge(
      'qpkv_compressed_in_place',
      'Idle contexts that were compressed because others needed their memory',
      () => chat.model.stats().compressedInPlace,
    )
    this.gauge('qpkv_prefix_evictions', 'Kept contexts given up for room', () => chat.prefixStats.evictions)
    const bytes = new Gauge({
      name: 'qpkv_cache_bytes',
      help: 'Bytes of caches: of requests at work, and kept for later prompts',
      labelNames: ['kind'],
      registers: [this.registry],
    })
    this.reads.push(() => {
      const working = [...this.working].reduce((sum, { cacheBytes }) => sum + cacheBytes, 0)
      bytes.set({ kind: 'working' }, working)
      bytes.set({ kind: 'prefixes' }, chat.prefixStats.bytes)
    })
  }

  /** All of them as they are now. */
  text(): Promise<string> {
    for (const read of this.reads) read()
    return this.registry.metrics()
  }

  private counter<T extends string = never>(name: string, help: string, labelNames: T[] = []) {
    return new Counter({ name, help, labelNames, registers: [this.registry] })
  }

  private histogram(name: string, help: string) {
    return new Histogram({ name, help, buckets: SECONDS, registers: [this.registry] })
  }

  private gauge(name: string, help: string, read: () => number): void {
    const gauge = new Gauge({ name, help, registers: [this.registry] })
    this.reads.push(() => {
      gauge.set(read())
    })
  }

  /** A counter that is kept elsewhere. */
  private total(name: string, help: string, read: () => number): void {
    const counter = this.counter(name, help)
    this.reads.push(() => {
      counter.reset()
      counter.inc(read())
    })
  }
}

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from './free-port.ts'
import { samplesOf, startCommand } from './result-lines.ts'
import { run } from './run.ts'
import { sameRecords } from './same-records.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-queue-'))
const file = (name: string) => join(folder, name)
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const grid = {
  tasks: [
    { bench: 'needle', options: { lengths: [512], samples: 8, keys: 2 } },
    { bench: 'needle', options: { lengths: [256], samples: 3, keys: 2, protocol: 'query-agnostic' } },
  ],
  specs: ['none+none', 'keydiff:last=8+kivi:bits=4,group=32,recent=8@64x16'],
}

it('a queue without a server, or with another address, is refused with what to type', async () => {
  writeFileSync(file('grid.json'), JSON.stringify(grid))
  const args = ['sweep', file('grid.json'), '--out', file('none'), '--threads', '1', '--executor', 'bullmq']
  expect((await run(args)).stderr).toMatch(/Which Redis server\?.*\n.*--redis redis:/)
  expect((await run([...args, '--redis', 'localhost'])).stderr).toMatch(/localhost is no address.*\n/)
})

/** Whether BullMQ's list of waiting parts is there, in Redis' own words. */
async function waiting(queue: Socket): Promise<boolean> {
  queue.write('LLEN bull:qpkv:wait\r\n')
  const [reply] = (await once(queue, 'data')) as [Buffer]
  return Number(reply.toString().slice(1)) >= 6
}

const hasRedis = spawnSync('sh', ['-c', 'command -v redis-server']).status === 0

// Debian: apt-get install redis-server.
describe.skipIf(!hasRedis)('a sweep over a Redis queue', () => {
  let server: ChildProcess
  let redis: string
  const workers: ChildProcess[] = []
  beforeAll(async () => {
    const port = await freePort()
    server = spawn(
      'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
      {
        stdio: 'ignore',
      },
    )
    redis = `redis://127.0.0.1:${port}`
    const local = await run(['sweep', file('grid.json'), '--out', file('local'), '--threads', '1'])
    expect(local.code).toBe(0)
  }, 60_000)
  afterEach(() => {
    for (const worker of workers.splice(0)) worker.kill('SIGKILL')
  })
  afterAll(async () => {
    server.kill()
    await once(server, 'exit')
  })

  const startWorker = () => {
    const worker = startCommand(['worker', '--redis', redis, '--threads', '1', '--lock-seconds', '2'])
    workers.push(worker)
    return worker
  }
  const sweep = (out: string) =>
    startCommand([
      'sweep',
      file('grid.json'),
      '--out',
      file(out),
      '--threads',
      '1',
      '--executor',
      'bullmq',
      '--redis',
      redis,
    ])
  const reading = (child: ChildProcess) => {
    let said = ''
    child.stderr?.on('data', (chunk) => (said += String(chunk)))
    return async (pattern: RegExp) => {
      while (!pattern.test(said)) {
        if (child.exitCode !== null) throw new Error(`ended: ${said}`)
        await setTimeout(20)
      }
    }
  }

  it(
    'gives the records of a sweep here, with a worker killed in the middle of a part',
    { timeout: 180_000 },
    async () => {
      const first = startWorker()
      startWorker()
      const child = sweep('swept')
      const says = reading(child)
      const ended = once(child, 'exit')
      await says(/[2-9] of 11 parts are done/)
      first.kill('SIGKILL')
      expect(await ended).toEqual([0, null])
      expect(sameRecords(file('swept'), file('local'))).toBe(22)
      // All is there: nothing is queued, and no worker is needed.
      for (const worker of workers.splice(0)) worker.kill('SIGKILL')
      expect(await once(sweep('swept'), 'exit')).toEqual([0, null])
    },
  )

  it('is cancelled by Ctrl-C, and goes on with the same command', { timeout: 180_000 }, async () => {
    startWorker()
    const child = sweep('stopped')
    const says = reading(child)
    const ended = once(child, 'exit')
    await says(/1 of 11 parts are done/)
    child.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    expect(await once(sweep('stopped'), 'exit')).toEqual([0, null])
    expect(sameRecords(file('stopped'), file('local'))).toBe(22)
  })

  it('names what fails on every worker', { timeout: 180_000 }, async () => {
    const worker = startWorker()
    await reading(worker)(/waiting for parts/)
    const bad = { ...grid, models: [file('no-such-model')] }
    writeFileSync(file('bad.json'), JSON.stringify(bad))
    // The sweep itself looks at the model first.
    const { stderr, code } = await run([
      'sweep',
      file('bad.json'),
      '--out',
      file('bad'),
      '--executor',
      'bullmq',
      '--redis',
      redis,
    ])
    expect(code).toBe(1)
    expect(stderr).toMatch(/no-such-model/)
    worker.kill('SIGINT')
    expect(await once(worker, 'exit')).toEqual([0, null])
  })

  it('loses nothing to parts that fail on every worker', { timeout: 180_000 }, async () => {
    const model = file('model')
    cpSync(modelFolder, model, { recursive: true, dereference: true })
    const task = { bench: 'needle', options: { lengths: [256], samples: 3, keys: 2 } }
    const two = { tasks: [task], models: ['reference', model], specs: ['none+none'] }
    writeFileSync(file('two.json'), JSON.stringify(two))
    const args = ['sweep', file('two.json'), '--out', file('two'), '--threads', '1']
    const elsewhere = [...args, '--executor', 'bullmq', '--redis', redis]
    const child = startCommand(elsewhere)
    let said = ''
    child.stderr?.on('data', (chunk) => (said += String(chunk)))
    const ended = once(child, 'exit')
    const queue = createConnection(Number(new URL(redis).port), '127.0.0.1')
    while (!existsSync(file('two')) || !(await waiting(queue))) await setTimeout(50)
    queue.end()
    // The sweep has seen the model; no worker will.
    renameSync(model, `${model} away`)
    startWorker()
    startWorker()
    expect(await ended, said).toEqual([1, null])
    expect(said).toMatch(
      /3 parts failed 3 times: needle samples \d to \d: .*model[\s\S]*run the same command again/,
    )
    const held = () =>
      readdirSync(file('two'))
        .filter((name) => name.endsWith('.jsonl'))
        .map((name) => samplesOf(join(file('two'), name)).length)
        .sort((a, b) => a - b)
    expect(held()).toEqual([0, 3])
    renameSync(`${model} away`, model)
    expect(await once(startCommand(elsewhere), 'exit')).toEqual([0, null])
    expect(held()).toEqual([3, 3])
  })
})

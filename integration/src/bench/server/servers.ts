import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

const PEER = 'node-llama-cpp@3.22.1'

/** A server in a process of its own. */
export interface Server {
  readonly name: string
  readonly url: string
  /** From the start of the process to its first answer, in ms. */
  readonly startMs: number
  /** Resident bytes now; NaN where the system does not say. */
  resident(): number
  stop(): Promise<void>
}

export interface ServerSettings {
  readonly file: string
  readonly threads: number
  /** Requests at work at once. */
  readonly concurrent: number
  /** Of each request, prompt and reply together. */
  readonly contextTokens: number
}

/** `qpkv serve`, as it is built. */
export function startOurs(
  { file, threads, concurrent }: ServerSettings,
  more: readonly string[] = [],
): Promise<Server> {
  const main = fileURLToPath(new URL('../../../../packages/cli/dist/main.js', import.meta.url))
  const flags = ['--threads', `${threads}`, '--concurrent', `${concurrent}`, '--queue', '1000']
  return start('qpkv', [main, 'serve', '--model', file, '--name', 'model', '--port', '0', ...flags, ...more])
}

/** The peer, which npm brings into `folder` the first time, behind the smallest server that streams. */
export function startPeer(settings: ServerSettings, folder: string): Promise<Server> {
  const { file, threads, concurrent, contextTokens } = settings
  mkdirSync(folder, { recursive: true })
  if (!existsSync(join(folder, 'node_modules', 'node-llama-cpp')))
    // Its prebuilt library is a package; the install script would look for a compiler.
    execFileSync(
      'npm',
      ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', PEER],
      {
        stdio: ['ignore', 2, 2],
      },
    )
  const script = join(folder, 'llama-cpp-server.mjs')
  copyFileSync(new URL('llama-cpp-server.mjs', import.meta.url), script)
  return start(PEER, [script, file, `${concurrent}`, `${threads}`, `${contextTokens}`])
}

async function start(name: string, args: readonly string[]): Promise<Server> {
  const started = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data) => (said += String(data)))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      const found = /http:\/\/[\d.]+:\d+/.exec(String(data))?.[0]
      if (found) resolve(found)
    })
    child.once('exit', () => {
      reject(new Error(`${name} ended before it listened:\n${said.slice(-2000)}`))
    })
  })
  await (await fetch(`${url}/health`)).arrayBuffer()
  return {
    name,
    url,
    startMs: performance.now() - started,
    resident: () => residentBytes(child.pid),
    stop: () => stop(child),
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

function residentBytes(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  } catch {
    return NaN
  }
}

import { formatBytes } from '@qpkv/spec'
import { execFileSync } from 'node:child_process'
import { cudaPackage } from '../options/device.ts'

/** Which graphics cards can be used, or what is missing. */
export async function examineGpu(): Promise<string> {
  const backend = await cudaPackage()
  if (!backend) return `${card() ?? 'no NVIDIA card found'}; @qpkv/cuda is not installed, the CPU is used`
  const found = backend.cudaDevices()
  if ('whyNot' in found) return `${card() ?? 'no NVIDIA card found'}; ${found.whyNot} ${found.hint}`
  const devices = found.devices.map(
    ({ name, index, memoryBytes }) => `cuda:${index} ${name}, ${formatBytes(memoryBytes)}`,
  )
  return `${devices.join('; ')}; driver ${query('driver_version') ?? 'unknown'}; used with --device cuda:N`
}

const card = (): string | undefined => query('name')

function query(what: 'name' | 'driver_version'): string | undefined {
  try {
    return execFileSync('nvidia-smi', [`--query-gpu=${what}`, '--format=csv,noheader'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    })
      .trim()
      .split('\n')
      .join(', ')
  } catch {
    return undefined
  }
}

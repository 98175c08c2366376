import { execFileSync } from 'node:child_process'

/** Which graphics card is there, and that it is not used. */
export function examineGpu(): string {
  try {
    const name = execFileSync('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    })
    return `CPU only so far; ${name.trim().split('\n').join(', ')} is there and not used`
  } catch {
    return 'CPU only so far; no NVIDIA card found, and none is needed'
  }
}

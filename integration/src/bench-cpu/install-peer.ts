import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The release that figures are compared with. */
export const peerVersion = '3.22.1'

/** Installs node-llama-cpp with its prebuilt CPU binary into a folder of its own below `cache`, unless it is there; gives that folder. */
export function installPeer(cache: string): string {
  const folder = join(cache, `node-llama-cpp-${peerVersion}`)
  const done = join(folder, 'installed')
  if (existsSync(done)) return folder
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const { status, error } = spawnSync(
    'npm',
    [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `node-llama-cpp@${peerVersion}`,
    ],
    { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' },
  )
  if (status !== 0)
    throw new Error(
      `npm could not install node-llama-cpp ${peerVersion} into ${folder}: ${error?.message ?? `it ended with ${status}`}. ` +
        `Give a folder with that package as --peer FOLDER, or leave the peer out with --no-peer.`,
    )
  writeFileSync(done, '')
  return folder
}

// pnpm publish-dry-run [--git-checks]: rehearses a release against a registry on loopback that knows
// no package and takes none, so that nothing leaves this machine and no account is needed. Every
// package must be built, be offered, and come after what it depends on. --git-checks, as in a release,
// refuses a checkout that is not clean or not main.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { conclude, root, workspacePackages } from './workspace.ts'

const problems: string[] = []
const registry = createServer((request, response) => {
  if (request.method !== 'GET')
    problems.push(`the rehearsal sent ${request.method ?? ''} ${request.url ?? ''}`)
  response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
})
await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
const address = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`

const published = workspacePackages().filter(({ manifest }) => !manifest.private)
for (const { folder, name } of published)
  if (!/^packages\/(core|cuda)\/npm\//.test(folder) && !existsSync(join(root, folder, 'dist', 'index.js')))
    problems.push(`${name}: is not built; run "pnpm build"`)

const gitChecks = process.argv.includes('--git-checks') ? [] : ['--no-git-checks']
const child = spawn(
  'pnpm',
  ['-r', 'publish', '--dry-run', ...gitChecks, '--access', 'public', '--registry', address],
  { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
)
let output = ''
for (const stream of [child.stdout, child.stderr])
  stream.on('data', (text: Buffer) => (output += text.toString()))
const [status] = (await once(child, 'close')) as [number | null]
registry.close()
if (status !== 0) problems.push(`pnpm publish ended with ${status ?? 'a signal'}: ${output.slice(-500)}`)

const order = [...output.matchAll(/^\+ (\S+)@\d+\.\d+\.\d+\S*$/gm)].map((match) => match[1] ?? '')
for (const { name, manifest } of published) {
  const at = order.indexOf(name)
  if (at < 0) problems.push(`${name}: would not be published`)
  const needs = { ...manifest.dependencies, ...manifest.optionalDependencies }
  for (const dependency of Object.keys(needs))
    if (order.indexOf(dependency) > at) problems.push(`${name}: would be published before ${dependency}`)
}
console.log(`${order.length} packages would be published: ${order.join(' ')}`)
conclude('publish rehearsal', problems)

import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { definePruner, integer, oneOf } from '@qpkv/spec'
import { withOptionHints } from '../../tools/option-hints.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
// Below the package, where node_modules are found.
const folder = mkdtempSync(join(root, 'integration', '.hints-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const source = `import { definePruner, integer, oneOf } from '@qpkv/spec'
export const probe = definePruner({
  name: 'probe',
  paper: '',
  options: {
    window: integer({ default: 32, min: 1, doc: 'Last queries that observe.' }),
    pool: oneOf(['max', 'mean'], { default: 'max', doc: 'How scores are pooled.' }),
  },
  profiles: { original: { window: 8 } },
  layer: () => ({ score: { stat: 'key-norm' }, protect: {} }),
})
`
const probe = definePruner({
  name: 'probe',
  paper: '',
  options: {
    window: integer({ default: 32, min: 1, doc: 'Last queries that observe.' }),
    pool: oneOf(['max', 'mean'], { default: 'max', doc: 'How scores are pooled.' }),
  },
  layer: () => ({ score: { stat: 'key-norm' }, protect: {} }),
})

test('an editor shows what an option of a built method means', { timeout: 120_000 }, async () => {
  const use = "import { probe } from './probe.js'\nprobe({ window: 16, pool: 'max', profile: 'original' })\n"
  writeFileSync(join(folder, 'probe.ts'), source)
  declare(join(folder, 'probe.ts'), join(folder, 'dist'))
  const plain = readFileSync(join(folder, 'dist', relative(root, folder), 'probe.d.ts'), 'utf8')
  expect(plain).not.toContain('Last queries')
  rmSync(join(folder, 'probe.ts'))
  writeFileSync(join(folder, 'probe.d.ts'), withOptionHints(plain, { probe }))
  writeFileSync(join(folder, 'use.ts'), use)
  const compilerOptions = { module: 'NodeNext', strict: true, customConditions: ['@qpkv/source'] }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { ...compilerOptions, allowImportingTsExtensions: true, noEmit: true },
    }),
  )
  const hints = await hover(join(folder, 'use.ts'), use, ['window', 'pool', 'profile'])
  expect(hints[0]).toMatch(/Last queries that observe\. Accepts a whole number of at least 1; default 32\./)
  expect(hints[1]).toMatch(/How scores are pooled\. Accepts one of max, mean; default "max"\./)
  expect(hints[2]).toMatch(/what the code of an original does/)
})

/** Writes the declarations of a file as the build does, those of its imports beside. */
function declare(file: string, outDir: string): void {
  const flags =
    '--module NodeNext --target ES2023 --strict --declaration --emitDeclarationOnly --skipLibCheck'
  const paths = ['--rootDir', root, '--outDir', outDir, file]
  const sources = ['--allowImportingTsExtensions', '--customConditions', '@qpkv/source', '--types', 'node']
  execFileSync(process.execPath, [compiler, '--ignoreConfig', ...flags.split(' '), ...sources, ...paths], {
    cwd: folder,
    stdio: 'inherit',
  })
}

/** What TypeScript's language server shows for the first occurrence of each word behind the first line. */
async function hover(file: string, text: string, words: readonly string[]): Promise<string[]> {
  const server = spawn(process.execPath, [compiler, '--lsp', '--stdio'], { cwd: folder })
  const waiting = new Map<number, (result: unknown) => void>()
  let received = Buffer.alloc(0)
  server.stdout.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    for (;;) {
      const head = received.indexOf('\r\n\r\n')
      const length = Number(/Content-Length: (\d+)/i.exec(received.subarray(0, head).toString())?.[1])
      if (head < 0 || received.length < head + 4 + length) return
      const message = JSON.parse(received.subarray(head + 4, head + 4 + length).toString()) as {
        id?: number
        method?: string
        result?: unknown
      }
      received = received.subarray(head + 4 + length)
      if (message.id === undefined) continue
      if (message.method === undefined) waiting.get(message.id)?.(message.result)
      else send({ id: message.id, result: null }) // the server asks us something
    }
  })
  const send = (message: object) => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }
  const request = (id: number, method: string, params: object) =>
    new Promise((resolve) => {
      waiting.set(id, resolve)
      send({ id, method, params })
    })
  const { href: uri } = pathToFileURL(file)
  try {
    await request(1, 'initialize', {
      processId: process.pid,
      rootUri: pathToFileURL(folder).href,
      capabilities: {},
    })
    send({ method: 'initialized', params: {} })
    send({
      method: 'textDocument/didOpen',
      params: { textDocument: { uri, languageId: 'typescript', version: 1, text } },
    })
    const shown: string[] = []
    for (const [i, word] of words.entries()) {
      const position = { line: 1, character: text.split('\n')[1]!.indexOf(word) + 1 }
      shown.push(
        JSON.stringify(await request(10 + i, 'textDocument/hover', { textDocument: { uri }, position })),
      )
    }
    return shown.map((json) => json.replaceAll(String.raw`\"`, '"'))
  } finally {
    server.kill()
  }
}

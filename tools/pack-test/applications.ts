import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../workspace.ts'
import type { Tarballs } from './pack.ts'
import { modelFolder, npmInstall, writeProject } from './project.ts'
import { expectText, run } from './run.ts'

interface Application {
  /** The package, and what its README installs beside it. */
  readonly packages: readonly string[]
  /** Clients from npm, in the version that the package is tested with. */
  readonly clients: readonly string[]
  readonly program: string
}

const question = `'The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?'`
const schema = `{ type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'], additionalProperties: false }`
const model = `import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
const model = await loadModel(process.argv[2], { threads: 1, methods: registry })
const expectText = (what, text, wanted) => { if (!wanted.test(text)) throw new Error(what + ' gave ' + JSON.stringify(text)) }
`

/** What is built on the engine, each as its README says, with nothing else installed. Replies by schema need the grammar's own thread. */
const applications: readonly Application[] = [
  {
    packages: ['@qpkv/chat', '@qpkv/core', '@qpkv/methods'],
    clients: [],
    program: `${model}import { Chat } from '@qpkv/chat'
const chat = new Chat(model, { compression: 'none+kivi:bits=4', prefixBytes: 2 ** 24 })
const say = async (more, maxTokens) => {
  const opened = await chat.open({ prompt: [{ role: 'user', content: ${question} }], generate: { maxTokens, temperature: 0 }, ...more })
  let text = ''
  for await (const event of opened.replies[0]) if (event.type === 'text') text += event.text
  await opened.dispose()
  return text
}
expectText('chat', await say({}, 12), /calm-moon/)
expectText('json', await say({ json: { schema: ${schema} } }, 60), /^\\{"sure": (true|false)\\}$/)
await chat.dispose()
await model.dispose()
console.log('ok')
`,
  },
  {
    packages: ['@qpkv/server', '@qpkv/core', '@qpkv/methods'],
    clients: ['openai'],
    program: `${model}import { serve } from '@qpkv/server'
import { OpenAI } from 'openai'
const server = await serve({ model, port: 0, compression: 'none+kivi:bits=4' })
const client = new OpenAI({ baseURL: server.url + '/v1', apiKey: 'none', maxRetries: 0 })
const messages = [{ role: 'user', content: ${question} }]
const stream = client.chat.completions.stream({ model: 'qpkv', messages, max_tokens: 12, temperature: 0 })
expectText('stream', await stream.finalContent(), /calm-moon/)
const response_format = { type: 'json_schema', json_schema: { name: 'answer', schema: ${schema} } }
const json = await client.chat.completions.create({ model: 'qpkv', messages, max_tokens: 60, response_format })
expectText('json', json.choices[0].message.content, /^\\{"sure": (true|false)\\}$/)
expectText('metrics', await (await fetch(server.url + '/metrics')).text(), /qpkv_generated_tokens_total/)
await server.stop()
await model.dispose()
console.log('ok')
`,
  },
  {
    packages: ['@qpkv/ai-sdk', '@qpkv/core', '@qpkv/methods'],
    clients: ['ai'],
    program: `${model}import { qpkv } from '@qpkv/ai-sdk'
import { generateText, jsonSchema, Output, streamText } from 'ai'
const own = qpkv(model, { compression: 'none+kivi:bits=4' })
let text = ''
for await (const part of streamText({ model: own, prompt: ${question}, maxOutputTokens: 12, temperature: 0 }).textStream) text += part
expectText('stream', text, /calm-moon/)
const { output } = await generateText({ model: own, prompt: ${question}, output: Output.object({ schema: jsonSchema(${schema}) }), maxOutputTokens: 60 })
expectText('object', JSON.stringify(output), /^\\{"sure":(true|false)\\}$/)
await own.dispose()
await model.dispose()
console.log('ok')
`,
  },
]

/** Installs each application alone in a folder of its own and runs it. */
export function useApplications(work: string, tarballs: Tarballs, env: NodeJS.ProcessEnv): void {
  for (const { packages, clients, program } of applications) {
    const [name = ''] = packages
    const folder = join(work, name.replace('/', '-'))
    writeProject(folder, tarballs, packages, versionsOf(name, clients))
    npmInstall(folder)
    writeFileSync(join(folder, 'application.mjs'), program)
    expectText(name, run('node', ['application.mjs', modelFolder], folder, { env }), /^ok$/m)
  }
}

function versionsOf(name: string, clients: readonly string[]): Record<string, string> {
  const file = join(root, 'packages', name.replace('@qpkv/', ''), 'package.json')
  const { devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly devDependencies?: Record<string, string>
  }
  return Object.fromEntries(clients.map((client) => [client, devDependencies[client] ?? 'latest']))
}

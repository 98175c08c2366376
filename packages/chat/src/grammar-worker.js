// A worker thread of its own for grammars: schemas come from outside, and whatever one of them does to the library can be
// ended here. Plain JavaScript, since it is loaded as a file by sources and builds alike.
//
//   { id, do: 'open', vocab, kind, size, stops }        once
//   { id, do: 'compile', schema }                       a schema as text
//   { id, do: 'start', schema, run }                    a matcher for one reply
//   { id, do: 'next', run, token | undefined }          takes the last token in, answers with the next mask
//   { id, do: 'end', run }
//   { id, do: 'forget', schema }
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { compileFunction, constants } from 'node:vm'
import { parentPort } from 'node:worker_threads'

// The package is a script in the UMD form that calls itself an ES module, so Node can neither import nor require it.
function loadLibrary() {
  const require = createRequire(import.meta.url)
  const path = require.resolve('@mlc-ai/web-xgrammar')
  const module = { exports: {} }
  const run = compileFunction(
    readFileSync(path, 'utf8'),
    ['exports', 'require', 'module', '__filename', '__dirname'],
    { filename: path, importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER },
  )
  run(module.exports, require, module, path, dirname(path))
  return module.exports
}

const { TokenizerInfo, GrammarCompiler, GrammarMatcher } = loadLibrary()
let compiler
let stopTokens
const grammars = new Map()
const matchers = new Map()

const work = {
  async open({ vocab, kind, size, stops }) {
    stopTokens = stops
    const info = await TokenizerInfo.createTokenizerInfo(vocab, kind, false, size, stops)
    compiler = await GrammarCompiler.createGrammarCompiler(info, false)
  },
  async compile({ schema }) {
    if (grammars.has(schema)) return
    // Without free whitespace: small models do not end it.
    grammars.set(schema, await compiler.compileJSONSchema(schema, false, -1, [', ', ': '], false))
  },
  async start({ schema, run }) {
    matchers.set(run, await GrammarMatcher.createGrammarMatcher(grammars.get(schema), stopTokens))
  },
  async next({ run, token }) {
    const matcher = matchers.get(run)
    if (token !== undefined && !matcher.acceptToken(token)) throw new Error(`token ${token} does not fit`)
    return matcher.isTerminated() ? undefined : matcher.getNextTokenBitmask()
  },
  async end({ run }) {
    matchers.get(run)?.dispose()
    matchers.delete(run)
  },
  async forget({ schema }) {
    grammars.get(schema)?.dispose()
    grammars.delete(schema)
  },
}

parentPort.on('message', (message) => {
  work[message.do](message).then(
    (value) => parentPort.postMessage({ id: message.id, value }),
    (error) => parentPort.postMessage({ id: message.id, error: String(error?.message ?? error) }),
  )
})

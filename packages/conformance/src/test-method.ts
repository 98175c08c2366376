import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import {
  checkSpec,
  CONTRACT,
  createRegistry,
  KvError,
  parseSpec,
  printSpec,
  roles,
  type AnyMethod,
  type MethodRef,
} from '@qpkv/spec'
import { hostileValues, optionSets, type TestFunction } from './suite.ts'

type Call = (given?: Record<string, unknown>) => MethodRef

/** What methods of every role have in common: facts, options, the factory, JSON and text. */
export function testMethod(test: TestFunction, method: AnyMethod): void {
  const call = method as unknown as Call
  const { slot, plural } = roles[method.role]

  test(`${method.name} says what it is`, () => {
    assert.equal(method.contract, CONTRACT)
    assert.match(method.name, /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/)
    assert.ok(method.paper === '' || method.paper.startsWith('https://'), 'paper is a link')
    assert.ok(Object.isFrozen(method), 'methods are frozen')
  })

  test(`${method.name} documents every option and accepts its own defaults and profiles`, () => {
    for (const [name, option] of Object.entries(method.options)) {
      assert.ok(option.doc.length > 0, `${name} has a doc line`)
      if (option.default !== undefined) assert.equal(option.check(option.default, name), option.default)
    }
    for (const [profile, defaults] of Object.entries(method.profiles))
      for (const [name, value] of Object.entries(defaults)) {
        assert.ok(Object.hasOwn(method.options, name), `profile ${profile} sets ${name}, which is an option`)
        assert.deepEqual(method.options[name]!.check(value, name), value)
      }
  })

  test(`${method.name} serializes to its name and the given options, nothing else`, () => {
    assert.deepEqual(JSON.parse(JSON.stringify(call())), { method: method.name })
    for (const given of optionSets(method))
      assert.deepEqual(JSON.parse(JSON.stringify(call(given))), { method: method.name, ...given })
    assert.ok(Object.isFrozen(call()))
  })

  test(`${method.name} survives JSON and text`, () => {
    for (const given of [...optionSets(method), allDefaults(method)]) {
      const spec = checkSpec({ [slot]: { method: method.name, ...given } })
      assert.deepEqual(parseSpec(printSpec(spec)), spec)
      assert.deepEqual(checkSpec(JSON.parse(JSON.stringify(spec))), spec)
      assert.equal(printSpec(parseSpec(printSpec(spec))), printSpec(spec))
    }
  })

  test(`${method.name} answers hostile options with a KvError that names the path`, () => {
    for (const name of Object.keys(method.options))
      for (const value of hostileValues) {
        const error = thrown(() => method.bind({ [name]: value }, slot))
        if (error === undefined) continue
        assert.ok(KvError.isInstance(error), `${name} = ${String(value)} threw ${inspect(error)}`)
        assert.ok(error.message.includes(`${slot}.${name}`), `"${error.message}" names ${slot}.${name}`)
      }
    for (const given of [
      { noSuchOption: 1 },
      { profile: 'nobody' },
      JSON.parse('{"__proto__x": 1, "constructor": 2}'),
    ])
      assert.throws(() => method.bind(given, slot), { code: 'KV_INVALID_OPTION' })
    for (const given of [null, 3, 'window', [1]])
      assert.throws(() => method.bind(given, slot), { code: 'KV_INVALID_OPTION' })
  })

  test(`${method.name} registers once per role`, () => {
    const registry = createRegistry([method, method])
    assert.equal(registry[plural].get(method.name), method)
  })
}

/** Every option that has a default, written out. */
const allDefaults = (method: AnyMethod): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(method.options)
      .filter(([, option]) => option.default !== undefined)
      .map(([name, option]) => [name, option.default]),
  )

export function thrown(body: () => unknown): unknown {
  try {
    body()
    return undefined
  } catch (error) {
    return error
  }
}

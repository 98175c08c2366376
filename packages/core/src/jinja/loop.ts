import type { Ending, Interpreter } from './interpreter.ts'
import type { Statement } from './nodes.ts'
import { Scope } from './scope.ts'
import { Callable, equal, iterate, TemplateError, truth, Tuple, type Value } from './values.ts'

type For = Extract<Statement, { kind: 'for' }>

/** Runs a loop's body for each item that passes its test, with the variable `loop`. */
export function runLoop(
  statement: For,
  scope: Scope,
  interpreter: Interpreter,
  over?: Value,
  depth = 1,
): Ending {
  const { target, test, body, otherwise } = statement
  let items = iterate(depth > 1 ? over : interpreter.evaluate(statement.over, scope))
  if (test)
    items = items.filter((item) => {
      const inner = new Scope(scope)
      interpreter.assign(target, item, inner)
      return truth(interpreter.evaluate(test, inner))
    })
  if (items.length === 0) return interpreter.run(otherwise, new Scope(scope))
  let shown: readonly Value[] | undefined
  const changed = new Callable('changed', ({ positional }) => {
    const same = shown && equal(new Tuple(shown), new Tuple(positional))
    shown = positional
    return same !== true
  })
  for (const [index, item] of items.entries()) {
    interpreter.limits.step()
    const inner = new Scope(scope)
    const cycle = new Callable('cycle', ({ positional }) => {
      if (positional.length === 0) throw new TemplateError('no items for cycling given')
      return positional[index % positional.length]
    })
    inner.set(
      'loop',
      new Callable(
        'loop',
        ({ positional: [nested] }) => {
          if (!statement.recursive) throw new TemplateError('the loop is not recursive')
          return interpreter.captured(() => {
            runLoop(statement, scope, interpreter, nested, depth + 1)
          })
        },
        fields(items, index, depth, cycle, changed),
      ),
    )
    interpreter.assign(target, item, inner)
    if (interpreter.run(body, inner) === 'break') break
  }
  return undefined
}

const fields = (items: readonly Value[], index: number, depth: number, cycle: Value, changed: Value) =>
  new Map<string, Value>([
    ['index', index + 1],
    ['index0', index],
    ['revindex', items.length - index],
    ['revindex0', items.length - index - 1],
    ['first', index === 0],
    ['last', index === items.length - 1],
    ['length', items.length],
    ['depth', depth],
    ['depth0', depth - 1],
    ['previtem', items[index - 1]],
    ['nextitem', items[index + 1]],
    ['cycle', cycle],
    ['changed', changed],
  ])

import type { Interpreter } from './interpreter.ts'
import type { Body, Signature } from './nodes.ts'
import { Scope } from './scope.ts'
import { Callable, TemplateError, Tuple, type Value } from './values.ts'

/** A macro, or the body of a call block: a function that gives what its body writes. */
export function makeMacro(
  name: string,
  { signature, body }: { readonly signature: Signature; readonly body: Body },
  scope: Scope,
  interpreter: Interpreter,
): Callable {
  const { names, defaults } = signature
  const uses = (variable: string) => JSON.stringify(body).includes(`{"kind":"name","name":"${variable}"}`)
  const [takesMore, takesNamed] = [uses('varargs'), uses('kwargs')]
  return new Callable(
    name,
    ({ positional, named }) => {
      const inner = new Scope(scope)
      const rest = new Map(named)
      inner.set('caller', rest.get('caller'))
      rest.delete('caller')
      for (const [i, parameter] of names.entries()) {
        const fallback = defaults[i - names.length + defaults.length]
        if (i < positional.length) inner.set(parameter, positional[i])
        else if (rest.has(parameter)) inner.set(parameter, rest.get(parameter))
        else inner.set(parameter, fallback && interpreter.evaluate(fallback, inner))
        if (i < positional.length && rest.has(parameter))
          throw new TemplateError(`macro '${name}' got multiple values for argument '${parameter}'`)
        rest.delete(parameter)
      }
      if (positional.length > names.length && !takesMore)
        throw new TemplateError(`macro '${name}' takes not more than ${names.length} argument(s)`)
      if (rest.size > 0 && !takesNamed)
        throw new TemplateError(
          `macro '${name}' takes no keyword argument '${[...rest.keys()].join("', '")}'`,
        )
      inner.set('varargs', new Tuple(positional.slice(names.length)))
      inner.set('kwargs', new Map<Value, Value>(rest))
      return interpreter.capture(body, inner)
    },
    new Map<string, Value>([
      ['name', name],
      ['arguments', new Tuple(names)],
    ]),
  )
}

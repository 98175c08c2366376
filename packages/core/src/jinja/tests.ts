import { compares } from './arithmetic.ts'
import {
  Callable,
  Float,
  isList,
  isNumber,
  numberOf,
  TemplateError,
  typeName,
  View,
  type Value,
} from './values.ts'

/** `value is name(arguments)`. */
export type Test = (value: Value, args: readonly Value[]) => boolean

const whole = (value: Value): number => {
  if (isNumber(value)) return numberOf(value)
  throw new TemplateError(`a number is needed, not ${typeName(value)}`)
}
const against =
  (operator: string): Test =>
  (value, [other]) =>
    compares(operator, value, other)
const isInteger = (value: Value) => typeof value === 'number'
const lower = (value: string) => value.toLowerCase()
const upper = (value: string) => value.toUpperCase()

export const tests: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  true: (value) => value === true,
  false: (value) => value === false,
  integer: isInteger,
  float: (value) => value instanceof Float,
  number: isNumber,
  string: (value) => typeof value === 'string',
  mapping: (value) => value instanceof Map,
  sequence: (value) =>
    value === undefined ||
    typeof value === 'string' ||
    value instanceof Map ||
    isList(value) ||
    (value instanceof View && value.name === 'range'),
  iterable: (value) =>
    value === undefined ||
    typeof value === 'string' ||
    value instanceof Map ||
    isList(value) ||
    value instanceof View,
  callable: (value) => value instanceof Callable,
  odd: (value) => Math.abs(whole(value) % 2) === 1,
  even: (value) => whole(value) % 2 === 0,
  divisibleby: (value, [by]) => whole(value) % whole(by) === 0,
  lower: (value) => typeof value === 'string' && value === lower(value) && value !== upper(value),
  upper: (value) => typeof value === 'string' && value === upper(value) && value !== lower(value),
  sameas: (value, [other]) => value === other,
  escaped: () => false,
  in: (value, [container]) => compares('in', value, container),
  ...Object.fromEntries(
    [
      ['==', 'eq', 'equalto'],
      ['!=', 'ne'],
      ['<', 'lt', 'lessthan'],
      ['<=', 'le'],
      ['>', 'gt', 'greaterthan'],
      ['>=', 'ge'],
    ].flatMap(([operator = '', ...names]) => [operator, ...names].map((name) => [name, against(operator)])),
  ),
}

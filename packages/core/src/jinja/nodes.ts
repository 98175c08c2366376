/** Expressions of a template. */
export type Expression =
  | { readonly kind: 'constant'; readonly value: string | number | boolean | null }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'slice'; readonly parts: readonly (Expression | undefined)[] }
  | { readonly kind: 'call'; readonly callee: Expression; readonly args: Arguments }
  | {
      readonly kind: 'filter'
      readonly of: Expression | undefined
      readonly name: string
      readonly args: Arguments
    }
  | { readonly kind: 'test'; readonly of: Expression; readonly name: string; readonly args: Arguments }
  | { readonly kind: 'not' | 'negative' | 'positive'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'math'
      readonly operator: string
      readonly left: Expression
      readonly right: Expression
    }
  | {
      readonly kind: 'compare'
      readonly first: Expression
      readonly rest: readonly (readonly [string, Expression])[]
    }
  | {
      readonly kind: 'choice'
      readonly test: Expression
      readonly yes: Expression
      readonly no: Expression | undefined
    }

/** What a call is given. */
export interface Arguments {
  readonly positional: readonly Expression[]
  readonly named: readonly (readonly [string, Expression])[]
  readonly spread: Expression | undefined
  readonly spreadNamed: Expression | undefined
}

/** Where a value is put: a name, a field of a namespace, or several of them. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'field'; readonly of: string; readonly name: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] }

/** Names of a macro's arguments, with defaults for the last ones. */
export interface Signature {
  readonly names: readonly string[]
  readonly defaults: readonly Expression[]
}

export type Body = readonly Statement[]

/** Statements of a template. */
export type Statement =
  | { readonly kind: 'data'; readonly text: string }
  | { readonly kind: 'output'; readonly value: Expression }
  | {
      readonly kind: 'if'
      readonly branches: readonly (readonly [Expression, Body])[]
      readonly otherwise: Body
    }
  | {
      readonly kind: 'for'
      readonly target: Target
      readonly over: Expression
      readonly test: Expression | undefined
      readonly recursive: boolean
      readonly body: Body
      readonly otherwise: Body
    }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'set-block'
      readonly target: Target
      readonly filter: Expression | undefined
      readonly body: Body
    }
  | { readonly kind: 'macro'; readonly name: string; readonly signature: Signature; readonly body: Body }
  | {
      readonly kind: 'call-block'
      readonly signature: Signature
      readonly call: Expression
      readonly body: Body
    }
  | { readonly kind: 'filter-block'; readonly filter: Expression; readonly body: Body }
  | {
      readonly kind: 'with'
      readonly values: readonly (readonly [Target, Expression])[]
      readonly body: Body
    }
  | { readonly kind: 'scope'; readonly body: Body }
  | { readonly kind: 'break' | 'continue' }

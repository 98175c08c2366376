import { describe, expect, it } from 'vitest'
import { StopStrings } from '../src/generate/stop-strings.ts'

const feed = (stops: readonly string[], pieces: readonly string[]) => {
  const matcher = new StopStrings(stops)
  const out = pieces.map((piece) => matcher.push(piece))
  return { out, end: matcher.flush(), done: matcher.done }
}

describe('stop strings', () => {
  it('let everything through when there are none', () => {
    expect(feed([], ['a', 'b'])).toEqual({ out: ['a', 'b'], end: '', done: false })
  })

  it('cut at the stop and show nothing after it', () => {
    expect(feed(['END'], ['one END two', 'three'])).toEqual({ out: ['one ', ''], end: '', done: true })
  })

  it('hold back a beginning and release it when it goes on differently', () => {
    expect(feed(['\nQ:'], ['a\n', 'Q', 'x'])).toEqual({ out: ['a', '', '\nQx'], end: '', done: false })
    expect(feed(['\nQ:'], ['a\n', 'Q'])).toEqual({ out: ['a', ''], end: '\nQ', done: false })
  })

  it('find a stop that is spread over pieces', () => {
    expect(feed(['stop'], ['a s', 'to', 'p b'])).toEqual({ out: ['a ', '', ''], end: '', done: true })
  })

  it('take the first of several', () => {
    expect(feed(['c', 'b'], ['abc'])).toEqual({ out: ['a'], end: '', done: true })
  })

  it('see a stop whose beginning repeats', () => {
    expect(feed(['aab'], ['a', 'a', 'a', 'b'])).toEqual({ out: ['', '', 'a', ''], end: '', done: true })
  })

  it('find special tokens, which are not shown', () => {
    const read = (stops: readonly string[], ...steps: readonly (readonly [string, boolean])[]) => {
      const matcher = new StopStrings(stops)
      const out = steps.map(([text, shown]) => (shown ? matcher.push(text) : matcher.pushHidden(text)))
      return { out, end: matcher.flush(), done: matcher.done }
    }
    expect(read(['<|end|>'], ['Yes', true], ['<|end|>', false], ['x', true])).toEqual({
      out: ['Yes', '', ''],
      end: '',
      done: true,
    })
    expect(read(['s<|end|>'], ['Yes', true], ['<|end|>', false])).toEqual({
      out: ['Ye', ''],
      end: '',
      done: true,
    })
    expect(read(['<|end|>\nQ'], ['a', true], ['<|end|>', false], ['\nR', true])).toEqual({
      out: ['a', '', '\nR'],
      end: '',
      done: false,
    })
    expect(read([], ['a', true], ['<|end|>', false])).toEqual({ out: ['a', ''], end: '', done: false })
  })
})

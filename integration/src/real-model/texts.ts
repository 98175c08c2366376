import { SeededRandom } from '@qpkv/bench-kit'

/** Pieces that tokenizers cut in their own ways: scripts, digits, spaces, marks, control tokens. */
const pieces = [
  'Hello world',
  '  two leading spaces',
  'trailing  ',
  'tabs\tand\n\nnewlines\r\n',
  "I'm you're HE'LL don't",
  '1234567890 12 3 2026-11-28 3.14',
  'fran\u00e7ais \u00e9l\u00e8ve na\u00efve',
  '\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8',
  '\u65e5\u672c\u8a9e\u3001\u6f22\u5b57',
  '\u0627\u0644\u0639\u0631\u0628\u064a\u0629',
  '\u{1f600}\u{1f469}\u200d\u{1f469}\u200d\u{1f467}',
  'def f(x):\n    return x**2\n',
  'e\u0301 and \u00e9',
  '....!!!???',
  '$100.50 \u20ac20',
  '\u00a0nbsp\u2003em',
  'CamelCase and snake_case',
  'https://example.com/a?b=c&d=e',
  '<|im_start|>user\nhi<|im_end|>',
  '\u{1d518}\u{1d52b}\u{1d526}',
]

/** `count` varied texts, the same at every call: the pieces, then runs and mixtures of them. */
export function variedTexts(count: number): string[] {
  const random = new SeededRandom(1)
  const pool = Array.from(pieces.join(''))
  const pick = (n: number) => random.below(n)
  const texts = pieces.slice(0, count)
  while (texts.length < count) {
    const length = 1 + pick(60)
    const from = pick(pool.length)
    texts.push(
      random.unit() < 0.4
        ? Array.from({ length }, () => pool[pick(pool.length)]).join('')
        : `${pool.slice(from, from + length).join('')} ${pieces[pick(pieces.length)] ?? ''}`,
    )
  }
  return texts
}

/** English to measure next-token distributions on. */
export const prose = `The lighthouse keeper counted the ships every evening and wrote the number into a small blue book. In the first
week of October there were nineteen, in the second only four, because the storms had come early. When the harbour was
quiet he repaired nets, read old letters and listened to the radio. The capital of France is Paris, the capital of
Italy is Rome, and the capital of Japan is Tokyo; he had learned such lists at school and still liked to say them
aloud. One morning a boat without a name was tied to the pier. Nobody had seen it arrive. There was a basket of apples
in it, a map with three crosses, and a note that said: keep the light burning until the seventh night.`

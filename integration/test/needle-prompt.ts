/** A short text with one number hidden, in the form that the reference model knows; it answers " 1234567.". */
export function needlePrompt(sentences = 24): string {
  const filler = Array.from(
    { length: sentences },
    (_, i) => `The red boat crosses the ${['hill', 'lake', 'field'][i % 3]}.`,
  )
  filler.splice(Math.floor(sentences / 3), 0, 'The special magic number for amber-acorn is: 1234567.')
  return ` ${filler.join(' ')}\nQuestion: What is the special magic number for amber-acorn?\nAnswer: The special magic number for amber-acorn is`
}

/** Cuts a Chinese text into words; the pieces joined give the text again. */
export type Segment = (text: string) => string[]

/** A whole number. Native engines hold it in 32 bits. */
export type Integer = number

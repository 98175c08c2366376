/** When the question comes: compressed with the text, or asked afterwards. */
export const PROTOCOLS = ['query-aware', 'query-agnostic'] as const

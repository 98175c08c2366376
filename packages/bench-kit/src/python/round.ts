/** The double `value` as `mantissa * 2^exponent`, exactly. */
function decompose(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const biased = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xfffffffffffffn
  return biased === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | 0x10000000000000n, exponent: biased - 1075 }
}

/**
 * `round(value, digits)` of Python on a `float`: the *exact* value of the double is rounded to `digits` decimals,
 * ties go to the even digit (12.125 gives 12.12, 2.675 gives 2.67 because the double lies below it).
 */
export function pythonRound(value: number, digits = 0): number {
  if (!Number.isFinite(value)) return value
  const { mantissa, exponent } = decompose(Math.abs(value))
  const scaled = mantissa * 10n ** BigInt(digits)
  if (exponent >= 0) return value
  const divisor = 1n << BigInt(-exponent)
  const floor = scaled / divisor
  const twice = (scaled % divisor) * 2n
  const up = twice > divisor || (twice === divisor && (floor & 1n) === 1n)
  const rounded = Number(`${up ? floor + 1n : floor}e-${digits}`)
  return value < 0 || Object.is(value, -0) ? -rounded : rounded
}

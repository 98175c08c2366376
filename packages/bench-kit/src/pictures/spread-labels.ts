/**
 * Moves labels apart along one axis: at least `distance` between neighbors, order kept, within `range` as far as
 * they fit, each as near to where it belongs as its neighbors allow.
 */
export function spreadLabels(
  wanted: readonly number[],
  distance: number,
  range: { readonly low: number; readonly high: number },
): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0))
  // Groups of touching labels, each centered on the mean of where its labels belong.
  const groups: { members: number[]; center: number }[] = []
  for (const index of order) {
    let group = { members: [index], center: wanted[index] ?? 0 }
    for (let last = groups.at(-1); last && touches(last, group, distance); last = groups.at(-1)) {
      groups.pop()
      const members = [...last.members, ...group.members]
      const center = members.reduce((sum, member) => sum + (wanted[member] ?? 0), 0) / members.length
      group = { members, center: clampCenter(center, members.length, distance, range) }
    }
    groups.push({ ...group, center: clampCenter(group.center, group.members.length, distance, range) })
  }
  const places = wanted.map(() => 0)
  for (const { members, center } of groups) {
    const first = center - ((members.length - 1) * distance) / 2
    for (const [i, member] of members.entries()) places[member] = first + i * distance
  }
  return places
}

const touches = (
  a: { members: readonly number[]; center: number },
  b: { members: readonly number[]; center: number },
  distance: number,
) => b.center - a.center < ((a.members.length + b.members.length) / 2) * distance

function clampCenter(
  center: number,
  count: number,
  distance: number,
  { low, high }: { readonly low: number; readonly high: number },
): number {
  const half = ((count - 1) * distance) / 2
  return Math.max(low + half, Math.min(high - half, center))
}

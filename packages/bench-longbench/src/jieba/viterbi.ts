import { type HmmTables, impossible, type State } from './hmm-tables.ts'

/** Which states may come before a state, the alphabetically later first: it wins where probabilities tie. */
const previous: Record<State, readonly [State, State]> = {
  B: ['S', 'E'],
  M: ['M', 'B'],
  S: ['S', 'E'],
  E: ['M', 'B'],
}

const states = ['B', 'M', 'E', 'S'] as const

/** The most probable state of every character of a run of Chinese characters (non-empty). */
function mostProbableStates(run: string, tables: HmmTables): State[] {
  const emit = (state: State, at: number): number => tables.emission[state].get(run[at] ?? '') ?? impossible
  const back: Record<State, State>[] = [] // back[at][state] = state of the character before
  let now = { B: 0, M: 0, E: 0, S: 0 }
  for (const state of states) now[state] = tables.start[state] + emit(state, 0)
  for (let at = 1; at < run.length; at++) {
    const next = { B: 0, M: 0, E: 0, S: 0 }
    const from: Record<State, State> = { B: 'S', M: 'M', E: 'M', S: 'S' }
    for (const state of states) {
      const [late, early] = previous[state]
      const emission = emit(state, at)
      const byLate = now[late] + (tables.transition[late][state] ?? impossible) + emission
      const byEarly = now[early] + (tables.transition[early][state] ?? impossible) + emission
      const take = byEarly > byLate
      from[state] = take ? early : late
      next[state] = take ? byEarly : byLate
    }
    back.push(from)
    now = next
  }
  let state: State = now.E > now.S ? 'E' : 'S'
  const path: State[] = [state]
  for (let at = back.length - 1; at >= 0; at--) {
    state = back[at]?.[state] ?? 'S'
    path.push(state)
  }
  return path.reverse()
}

/** Cuts a run of Chinese characters into words by the most probable states. */
export function cutByStates(run: string, tables: HmmTables): string[] {
  const words: string[] = []
  let begin = 0
  let next = 0
  mostProbableStates(run, tables).forEach((state, at) => {
    if (state === 'B') begin = at
    else if (state === 'E') words.push(run.slice(begin, at + 1))
    else if (state === 'S') words.push(run.slice(at, at + 1))
    if (state === 'E' || state === 'S') next = at + 1
  })
  if (next < run.length) words.push(run.slice(next))
  return words
}

// Facets' choices: changing one, and saying it in words.

import type { Pick, ViewState } from './state'

export const pickOf = (state: ViewState, column: string): Pick | undefined =>
  state.pick?.find((pick) => pick.column === column)

// The state with another choice for a column; null for none.
export function withPick(state: ViewState, column: string, pick: Omit<Pick, 'column'> | null): ViewState {
  const others = (state.pick ?? []).filter((one) => one.column !== column)
  const empty = !pick || (pick.values && !pick.values.length) || (!pick.values && pick.low == null && pick.high == null)
  return { ...state, pick: empty ? others : [...others, { column, ...pick }] }
}

export function toggled(state: ViewState, column: string, value: string | boolean | null): ViewState {
  const values = pickOf(state, column)?.values ?? []
  const next = values.includes(value) ? values.filter((one) => one !== value) : [...values, value]
  return withPick(state, column, { values: next })
}

export const title = (value: string | boolean | null) =>
  value === null ? 'no value' : value === true ? 'yes' : value === false ? 'no' : value === '' ? 'empty' : value

export function short(value: number): string {
  if (Number.isInteger(value)) return Math.abs(value) < 1e6 ? value.toLocaleString('en') : value.toExponential(1)
  const size = Math.abs(value)
  return size >= 0.001 && size < 1e6 ? String(Number(value.toPrecision(3))) : value.toExponential(1)
}

export function words(pick: Pick): string {
  if (pick.values) return pick.values.map(title).join(' or ')
  if (pick.low != null && pick.high != null) return `${short(pick.low)} to ${short(pick.high)}`
  return pick.low != null ? `from ${short(pick.low)}` : `up to ${short(pick.high ?? 0)}`
}

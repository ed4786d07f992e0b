// The map's places and colours in binary, and the rows of a view.

import { ask, get } from './api'
import { query, type ViewState } from './state'

export interface Places {
  x: Float32Array
  y: Float32Array
}

// values: (n,), NaN for none. names: what the codes mean, for a column that is not of numbers (null for one that is);
// the code names.length is any other value, -1 none. range: where most of the numbers are.
export interface Colours {
  values: Float32Array
  names: string[] | null
  range: [number, number]
}

export async function places(version: number): Promise<Places> {
  const both = new Float32Array(await (await ask(`map${query({ version })}`)).arrayBuffer())
  const n = both.length / 2
  return { x: both.subarray(0, n), y: both.subarray(n) }
}

interface Legend {
  names: string[]
  others: number
  low: number | null
  high: number | null
}

export async function colours(version: number, column: string, signal?: AbortSignal): Promise<Colours> {
  const asked = query({ version }, { column })
  const [legend, answer] = await Promise.all([get<Legend>(`legend${asked}`, signal), ask(`colour${asked}`, { signal })])
  const values = new Float32Array(await answer.arrayBuffer())
  return { values, names: legend.low === null ? legend.names : null, range: [legend.low ?? 0, legend.high ?? 1] }
}

export async function matching(state: ViewState, signal?: AbortSignal): Promise<Uint32Array> {
  return new Uint32Array(await (await ask(`match${query(state)}`, { signal })).arrayBuffer())
}

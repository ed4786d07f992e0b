// The map's places and colours: columns of numbers in Arrow's stream format, and the rows of a view.

import { ask } from './api'
import { columns } from './arrow'
import { query, type ViewState } from './state'

export interface Places {
  x: Float32Array
  y: Float32Array
}

// names: what the codes mean, for columns that are no numbers; code names.length is any other value, -1 none.
export interface Colours {
  values: Float32Array | Int32Array
  names: string[] | null
}

export async function places(version: number): Promise<Places> {
  const { columns: found } = columns(await (await ask(`map${query({ version })}`)).arrayBuffer())
  return { x: found.x as Float32Array, y: found.y as Float32Array }
}

export async function colours(version: number, column: string, signal?: AbortSignal): Promise<Colours> {
  const answer = await ask(`colour${query({ version }, { column })}`, { signal })
  const { columns: found, metadata } = columns(await answer.arrayBuffer())
  return { values: found.value as Float32Array | Int32Array, names: metadata.names ? JSON.parse(metadata.names) : null }
}

export async function matching(state: ViewState, signal?: AbortSignal): Promise<Uint32Array> {
  return new Uint32Array(await (await ask(`match${query(state)}`, { signal })).arrayBuffer())
}

// The questions of the pages that look: facets, the order of a view, one row, what is like it.

import { ask, get, type Kind, type Row } from './api'
import { query, type ViewState } from './state'

export interface Facet {
  column: string
  kind: 'values' | 'number' | 'names'
  nulls: { count: number; all: number }
  distinct: number
  values: { value: string | boolean; count: number; all: number }[]
  more: number
  edges: number[]
  counts: number[]
  all: number[]
}

export function facet(state: ViewState, column: string, signal?: AbortSignal): Promise<Facet> {
  return get(`facet${query(state, { column })}`, signal)
}

export function suggest(version: number, column: string, prefix: string, signal?: AbortSignal): Promise<string[]> {
  return get(`suggest${query({ version }, { column, prefix })}`, signal)
}

// Row numbers of the whole view, in its order.
export async function match(state: ViewState, signal?: AbortSignal): Promise<Uint32Array> {
  return new Uint32Array(await (await ask(`match${query(state)}`, { signal })).arrayBuffer())
}

export interface Value {
  name: string
  kind: Kind
  value: unknown
  made_by: { operation: string; parameters: Record<string, unknown> } | null
}

// How an object without a class is called.
export const NONE = 'no class'

// box: x, y, width, height in pixels of the upright image; keypoints: x, y, seen, x, y, seen, ...
export interface Thing {
  class: string | null
  box: number[] | null
  mask: string | null
  keypoints: number[] | null
  source?: string | null
}

// A subject or an object; thing: its place among the image's objects; box as above, null where it is not known.
export interface End {
  name: string
  thing: number | null
  box: number[] | null
}

export interface Relation {
  subject: End
  predicate: string
  object: End
}

export interface Detail extends Row {
  columns: Value[]
  objects: Thing[]
  relations: Relation[]
  history: { version: number; operation: string; started: string; adds: string[] }[]
}

export function detail(version: number, key: string, signal?: AbortSignal): Promise<Detail> {
  return get(`row${query({ version }, { key })}`, signal)
}

export async function neighbours(version: number, key: string, k: number, signal?: AbortSignal): Promise<Row[]> {
  return (await get<{ rows: Row[] }>(`neighbours${query({ version }, { key, k })}`, signal)).rows
}

export const imageUrl = (version: number, key: string, side = 2048) => `/api/image${query({ version }, { key, side })}`

export const queryUrl = (id: string) => `/api/queries/${encodeURIComponent(id)}`

// Keeps a picture on the server to search by; returns its id.
export async function upload(picture: Blob): Promise<string> {
  return (await (await ask('queries', { method: 'POST', body: picture })).json()).id
}

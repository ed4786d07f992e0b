// The server's API: one typed function a question. Every failure is a Failure whose message can be shown as it is.

import { query, type ViewState } from './state'

export class Failure extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
  ) {
    super(message)
  }
}

export async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(`/api/${path}`, options)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Failure('The server does not answer. Is "veduta view" still running?', 'offline', 0)
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => null)
    throw new Failure(told?.error?.message ?? `The server answered ${answer.status}.`, told?.error?.code ?? '', answer.status)
  }
  return answer
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask(path, { signal })).json()
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  return (await ask(path, { method: 'POST', headers, body: JSON.stringify(body) })).json()
}

export type Kind = 'number' | 'bool' | 'text' | 'list' | 'vector' | 'other'

export interface Column {
  name: string
  type: string
  kind: Kind
  made_by: { operation: string; parameters: Record<string, unknown> } | null
}

export interface Pool {
  name: string
  version: number
  newest: number
  rows: number
  errors: number
  columns: Column[]
  embeddings: string[]
  selections: string[]
  map: boolean
  search: string | null
  damage: string | null
}

export function pool(version?: number | null): Promise<Pool> {
  return get(`pool${query({ version })}`)
}

export interface Row {
  row: number
  key: string
  width: number | null
  height: number | null
  error: string | null
  label: string | null
  score: number | null
}

export interface Rows {
  version: number
  total: number
  rows: Row[]
}

export function rows(state: ViewState, start: number, count: number, signal?: AbortSignal): Promise<Rows> {
  return get(`rows${query(state, { start, count })}`, signal)
}

// Operations that can be run, runs in the background, and what they made.

import { get, post } from './api'

export interface Schema {
  properties?: Record<string, Property>
  required?: string[]
  $defs?: Record<string, Property>
}

export interface Property {
  type?: string
  title?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: Property[]
  allOf?: Property[]
  items?: Property
  $ref?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  pattern?: string
  properties?: Record<string, Property>
}

export interface Operation {
  verb: string
  name: string
  purpose: string
  text: string
  schema: Schema
  // What a run takes besides its parameters: name -> description.
  extra: Record<string, string>
}

export interface Job {
  id: string
  verb: string
  operation: string
  parameters: Record<string, unknown>
  state: 'running' | 'done' | 'failed' | 'cancelled'
  // Seconds since 1970.
  started: number
  seconds: number
  result: Record<string, unknown>
  error: string | null
}

export interface Report {
  name: string
  kind: 'report' | 'run' | 'proof'
  made: string
  title: string
  // Of a proof.
  verdict: string | null
  holds: boolean | null
}

export interface Proved {
  source: string
  verdict: string
  conditions: { name: string; measured: number | null; must: string; bound: number | null; interval: [number, number] | null; holds: boolean }[]
  started: string
  seconds: number
}

export function proved(name: string): Promise<Proved> {
  return get(`proofs/${encodeURIComponent(name)}`)
}

export function operations(): Promise<Operation[]> {
  return get('operations')
}

export interface Start {
  verb: string
  operation: string
  parameters: Record<string, unknown>
  where?: string
  selection?: string
  name?: string
}

export function startJob(start: Start): Promise<{ id: string }> {
  return post('jobs', start)
}

export function jobs(): Promise<Job[]> {
  return get('jobs')
}

export function cancelJob(id: string): Promise<unknown> {
  return post(`jobs/${encodeURIComponent(id)}/cancel`, {})
}

export function reports(): Promise<Report[]> {
  return get('reports')
}

// Calls `on` with every event of a job until it ends; the answer stops listening.
export function follow(id: string, on: (event: Record<string, unknown>) => void, ended: () => void): () => void {
  const source = new EventSource(`/api/jobs/${encodeURIComponent(id)}/events`)
  const end = () => {
    source.close()
    ended()
  }
  source.onmessage = (message) => {
    const event = JSON.parse(message.data)
    if (event.event === 'end') end()
    else on(event)
  }
  // The browser would ask again for ever; whether the job is over is asked once.
  source.onerror = end
  return () => source.close()
}

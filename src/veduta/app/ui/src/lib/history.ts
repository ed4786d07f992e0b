// What was done to the pool, newest first, and going back.

import { get, post } from './api'

export interface HistoryRecord {
  version: number
  before: number
  operation: string
  parameters: Record<string, unknown>
  reads: string[]
  adds: string[]
  rows: number
  seconds: number
  started: string
  details: Record<string, unknown>
  effective: boolean
  told: string[]
}

export async function history(): Promise<HistoryRecord[]> {
  return (await get<{ records: HistoryRecord[] }>('history')).records
}

// Make the pool what it was at a version (null: before the newest change). Gives the new version.
export function undo(to: number | null): Promise<{ version: number }> {
  return post('undo', { to })
}

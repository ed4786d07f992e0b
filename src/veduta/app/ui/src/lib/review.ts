// What there is to review, and deciding it. A decision is a new version of the pool; many may share one.

import { get, post, type Row } from './api'
import { query } from './state'

export interface ReviewKind {
  kind: string
  total: number
  open: number
  columns_needed: string[]
  ready: boolean
  mend: string
}

// Where something was found. box: x, y, width, height in pixels of the upright image.
export interface Box {
  name: string
  box: [number, number, number, number]
  score: number | null
  detector: string | null
}

// An image that something was found about: for labels given, suggested and quality, for all what was decided.
export interface Suspect extends Row {
  given: string | null
  suggested: string | null
  quality: number | null
  decision: string | null
  neighbours: Row[]
  boxes: Box[]
}

export interface Suspects {
  total: number
  items: Suspect[]
}

export interface Member extends Row {
  similarity: number | null
  decision?: string | null
}

export interface Group {
  representative: Row
  members: Member[]
  labels: string | null
  splits: string | null
}

// Which groups: all, those with contradicting labels, or those across splits.
export type Only = '' | 'labels' | 'splits'

export interface Groups {
  total: number
  labels: number
  splits: number
  groups: Group[]
}

export type Pair = [Row, Row, number]

export interface Threshold {
  left_out: number
  groups: number
  above: Pair[]
  below: Pair[]
}

export async function reviewKinds(version: number): Promise<ReviewKind[]> {
  return (await get<{ kinds: ReviewKind[] }>(`review${query({ version })}`)).kinds
}

const LISTS: Record<string, string> = { 'label-issues': 'labels', people: 'flagged/people', generated: 'flagged/generated' }

export function suspects(version: number, kind: string, start: number, count: number, open: boolean): Promise<Suspects> {
  return get(`review/${LISTS[kind] ?? kind}${query({ version }, { start: String(start), count, open })}`)
}

export function duplicateGroups(version: number, start: number, count: number, only: Only): Promise<Groups> {
  return get(`review/duplicates${query({ version }, { start: String(start), count, ...(only && { only }) })}`)
}

export function threshold(version: number, value: number, signal?: AbortSignal): Promise<Threshold> {
  return get(`review/threshold${query({ version }, { value })}`, signal)
}

export function decide(kind: string, decisions: Record<string, string>): Promise<{ version: number }> {
  return post('decide', { kind, decisions })
}

// Decisions of a page that is going away: sent without waiting for the answer.
export function decideAtLast(kind: string, decisions: Record<string, string>) {
  navigator.sendBeacon('/api/decide', new Blob([JSON.stringify({ kind, decisions })], { type: 'application/json' }))
}

export async function suggest(version: number, column: string, prefix: string, signal?: AbortSignal): Promise<string[]> {
  const told = await get<string[] | { values: string[] }>(`suggest${query({ version }, { column, prefix })}`, signal)
  return Array.isArray(told) ? told : told.values
}

export function imageAddress(version: number, key: string, side: number): string {
  return `/api/image${query({ version }, { key, side })}`
}

// Selections: who was kept and why not, what two have in common, and exports of them.

import { get, post } from './api'
import type { Schema } from './jobs'
import { query, type ViewState } from './state'

export interface Selection {
  name: string
  kept: number
  left: number
  reasons: { reason: string; count: number }[]
  operation: string | null
  parameters: Record<string, unknown> | null
}

export interface Compared {
  both: number
  only_a: number
  only_b: number
  neither: number
}

export interface Format {
  name: string
  // Many files, or one.
  folder: boolean
  schema: Schema
}

export const ABOUT_FORMATS: Record<string, string> = {
  folder: 'Image files in folders of their labels, with a table of everything known.',
  webdataset: 'Tar files of images and their facts, for training.',
  parquet: 'One table, the images in it.',
  coco: 'Image files, and boxes and classes as COCO JSON.',
  huggingface: 'A data set that the library datasets loads.',
  manifest: 'A list of files with their facts; no images are copied.',
}

export function selections(version: number): Promise<Selection[]> {
  return get(`selections${query({ version })}`)
}

export function compare(version: number, a: string, b: string): Promise<Compared> {
  return get(`selections/compare${query({ version }, { a, b })}`)
}

export interface Making {
  name: string
  state: ViewState | null
  keys: string[] | null
  note: string
}

export function makeSelection(making: Making): Promise<{ version: number; kept: number }> {
  return post('selections', making)
}

export function formats(): Promise<Format[]> {
  return get('formats')
}

export function startExport(body: {
  format: string
  name: string
  options: Record<string, unknown>
  selection?: string
  state?: ViewState
}): Promise<{ job: string }> {
  return post('exports', body)
}

// Names of the exports that can be fetched.
export function exports(): Promise<string[]> {
  return get('exports')
}

export function exportAddress(name: string): string {
  return `/api/exports/${encodeURIComponent(name)}`
}

// The same rule as the columns of a selection have; empty when the name is fine.
export function nameFault(name: string): string {
  if (/^[A-Za-z_]\w*$/.test(name)) return ''
  return name ? 'Letters, digits and _ only, and no digit first.' : 'Give it a name.'
}

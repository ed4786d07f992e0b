// The rows that are chosen by hand, by their row numbers in the version that is shown; the grid and the map share them.

import { rows as ask } from './api'
import { shown } from './shown.svelte'

const BLOCK = 500
const AT_ONCE = 4

class Chosen {
  #rows = new Set<number>()
  #version = 0
  // Raised by every change: a set of a million rows is never copied for one more.
  #changes = $state(0)

  get rows(): ReadonlySet<number> {
    void this.#changes
    return this.#of()
  }

  toggle(row: number) {
    if (!this.#of().delete(row)) this.#rows.add(row)
    this.#changes++
  }

  set(rows: Iterable<number>) {
    this.#rows = new Set(rows)
    this.#version = shown.pool?.version ?? 0
    this.#changes++
  }

  add(rows: Iterable<number>) {
    this.#of()
    for (const row of rows) this.#rows.add(row)
    this.#changes++
  }

  clear() {
    this.set([])
  }

  // Their keys, in row order. A version without filters is in row order, so that row n is at place n.
  async keys(): Promise<string[]> {
    const version = this.#version
    const chosen = [...this.#of()].sort((a, b) => a - b)
    const blocks = [...new Set(chosen.map((row) => Math.floor(row / BLOCK)))]
    const keys = new Map<number, string>()
    const take = async () => {
      for (let block = blocks.pop(); block !== undefined; block = blocks.pop()) {
        const found = await ask({ version }, block * BLOCK, BLOCK)
        for (const { row, key } of found.rows) keys.set(row, key)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, take))
    return chosen.flatMap((row) => keys.get(row) ?? [])
  }

  // Row numbers mean nothing in another version.
  #of(): Set<number> {
    const version = shown.pool?.version ?? 0
    if (version !== this.#version) {
      this.#rows = new Set()
      this.#version = version
    }
    return this.#rows
  }
}

export const chosen = new Chosen()

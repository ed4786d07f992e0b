// The rows that are chosen by hand, by their row numbers in the version that is shown; the grid and the map share them.

import { rows as ask } from './api'
import { shown } from './shown.svelte'
import type { ViewState } from './state'
import type { View } from './view.svelte'

const BLOCK = 500
const AT_ONCE = 4
// As many as the server takes by key.
const MOST = 50_000

class Chosen {
  #rows = new Set<number>()
  #version = 0
  // A state that shows exactly these rows, where one is known: a million are then told in a line.
  #same: ViewState | null = null
  // Raised by every change: a set of a million rows is never copied for one more.
  #changes = $state(0)

  get rows(): ReadonlySet<number> {
    void this.#changes
    return this.#of()
  }

  toggle(row: number) {
    if (!this.#of().delete(row)) this.#rows.add(row)
    this.#same = null
    this.#changes++
  }

  // same: a state that shows exactly these rows.
  set(rows: Iterable<number>, same: ViewState | null = null) {
    this.#rows = new Set(rows)
    this.#same = same
    this.#version = shown.pool?.version ?? 0
    this.#changes++
  }

  add(rows: Iterable<number>) {
    this.#of()
    for (const row of rows) this.#rows.add(row)
    this.#same = null
    this.#changes++
  }

  clear() {
    this.set([])
  }

  get same(): ViewState | null {
    void this.rows
    return this.#same
  }

  // What names them to the server: a state where there is one, else their keys. view: one that may show exactly these.
  async named(view: View | null = null): Promise<{ state: ViewState | null; keys: string[] | null }> {
    if (!this.same && view && view.version === this.#version && view.total === this.rows.size) {
      const order = await view.order()
      if (order.every((row) => this.#rows.has(row))) this.#same = view.state
    }
    if (this.same) return { state: this.same, keys: null }
    if (this.rows.size > MOST)
      throw new Error(
        `At most ${MOST.toLocaleString('en')} images that were chosen one by one can be kept. Filter the view and keep all that it shows, or draw around them on the map.`,
      )
    return { state: null, keys: await this.keys() }
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
      this.#same = null
      this.#version = version
    }
    return this.#rows
  }
}

export const chosen = new Chosen()

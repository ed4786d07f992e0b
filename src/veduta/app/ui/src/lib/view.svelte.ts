// The rows of one state, read in blocks as they come into sight; a view never changes, another state is another view.

import { rows as ask, type Pool, type Row } from './api'
import { match } from './look'
import { narrowed, type ViewState } from './state'

const BLOCK = 100
const KEPT = 500

const plain = (state: ViewState) => !(narrowed(state) || state.sort)

export class View {
  readonly state: ViewState
  readonly total: number
  readonly version: number
  // Rows lie in the pool's own order, so that the row at a place is known before it was read.
  readonly plain: boolean
  #blocks = new Map<number, Row[]>()
  #asked = new Map<number, AbortController>()
  #order: Promise<Uint32Array> | null = null
  #known: Uint32Array | null = null
  #arrived = $state(0)

  private constructor(state: ViewState, version: number, total: number) {
    this.state = { ...state, version }
    this.version = version
    this.total = total
    this.plain = plain(state)
  }

  // The view with the block around a place already read, so that it can be shown at once; of the whole pool, all is
  // known that pictures need.
  static async open(state: ViewState, pool: Pool, at: number, signal: AbortSignal): Promise<View> {
    if (plain(state)) return new View(state, pool.version, pool.rows)
    const block = Math.floor(at / BLOCK)
    const first = await ask({ ...state, version: pool.version }, block * BLOCK, BLOCK, signal)
    const view = new View(state, first.version, first.total)
    view.#blocks.set(block, first.rows)
    return view
  }

  // What is known of the row at a place; undefined while it is being read.
  at(index: number): Row | undefined {
    void this.#arrived
    return this.#blocks.get(Math.floor(index / BLOCK))?.[index % BLOCK]
  }

  // The row number at a place, as early as it can be known.
  row(index: number): number | undefined {
    if (this.plain) return index
    return this.at(index)?.row ?? this.#known?.[index]
  }

  // These places are in sight: read them, and end what is asked for elsewhere.
  see(first: number, last: number) {
    const from = Math.floor(first / BLOCK)
    const to = Math.floor(Math.min(last, this.total - 1) / BLOCK)
    for (const [block, stop] of this.#asked) if (block < from || block > to) stop.abort()
    for (let block = from; block <= to; block++) {
      const here = this.#blocks.get(block)
      if (here) {
        this.#blocks.delete(block)
        this.#blocks.set(block, here)
      } else if (!this.#asked.has(block)) void this.#read(block)
    }
    for (const block of this.#blocks.keys()) {
      if (this.#blocks.size <= KEPT) break
      this.#blocks.delete(block)
    }
  }

  // Row numbers of all places, asked for once.
  order(): Promise<Uint32Array> {
    this.#order ??= this.plain
      ? Promise.resolve(Uint32Array.from({ length: this.total }, (_, row) => row))
      : match(this.state).catch((error) => {
          this.#order = null
          throw error
        })
    return this.#order.then((order) => (this.#known = order))
  }

  end() {
    for (const stop of this.#asked.values()) stop.abort()
  }

  async #read(block: number) {
    const stop = new AbortController()
    this.#asked.set(block, stop)
    try {
      const found = await ask(this.state, block * BLOCK, BLOCK, stop.signal)
      this.#blocks.set(block, found.rows)
      this.#arrived++
    } catch {
      // Ended because it left the sight, or the server is away: it is asked for again when it comes into sight.
    } finally {
      if (this.#asked.get(block) === stop) this.#asked.delete(block)
    }
  }
}

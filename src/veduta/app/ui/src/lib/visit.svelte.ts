// A row's page and the grid it was opened from: the way back leads to where the grid was, with the last row marked.

import { place } from './place.svelte'
import { query, type ViewState } from './state'

class Visit {
  // The place in its view of the row that was seen last.
  #last: { index: number; view: string } | null = null

  enter(key: string, index: number, state: ViewState) {
    this.#seen(index)
    place.go('/row', state, { key, i: String(index) })
  }

  // Another row on the same page: no new entry in the browser's history, so that one step back is the grid.
  step(key: string, index: number) {
    this.#seen(index)
    place.set({ key, i: String(index) })
  }

  leave() {
    if (place.inside) history.back()
    else place.go('/', place.state, this.#last ? { at: String(this.#last.index) } : {})
  }

  // The place to mark in the grid of the present view, once; -1 for none.
  taken(): number {
    const last = this.#last
    this.#last = null
    return last && last.view === query(place.state) ? last.index : -1
  }

  #seen(index: number) {
    this.#last = { index, view: query(place.state) }
  }
}

export const visit = new Visit()

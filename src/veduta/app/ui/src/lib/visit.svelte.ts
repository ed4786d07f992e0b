// A row's page and the grid it was opened from: the way back leads to where the grid was, with the last row marked.

import { place } from './place.svelte'
import type { ViewState } from './state'

class Visit {
  // The place in the view of the row that was seen last, for the grid to mark; -1 for none.
  last = -1
  #entered = false

  enter(key: string, index: number, state: ViewState) {
    this.#entered = true
    this.last = index
    place.go('/row', state, { key, i: String(index) })
  }

  // Another row on the same page: no new entry in the browser's history, so that one step back is the grid.
  step(key: string, index: number) {
    this.last = index
    place.set({ key, i: String(index) })
  }

  leave(state: ViewState) {
    if (this.#entered) history.back()
    else place.go('/', state, this.last > 0 ? { at: String(this.last) } : {})
    this.#entered = false
  }

  // The mark, once.
  taken(): number {
    const last = this.last
    this.last = -1
    this.#entered = false
    return last
  }
}

export const visit = new Visit()

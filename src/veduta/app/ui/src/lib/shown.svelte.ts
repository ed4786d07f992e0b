// The pool that is shown, read again when the URL names another version or something was changed.

import { Failure, pool, type Pool } from './api'
import { place } from './place.svelte'

class Shown {
  pool = $state.raw<Pool | null>(null)
  failure = $state('')

  async read() {
    try {
      this.pool = await pool(place.state.version)
      this.failure = ''
    } catch (error) {
      this.failure = error instanceof Failure ? error.message : String(error)
    }
  }

  // Something was changed: show the newest version.
  async changed() {
    if (place.state.version) place.show({ version: null })
    await this.read()
  }
}

export const shown = new Shown()

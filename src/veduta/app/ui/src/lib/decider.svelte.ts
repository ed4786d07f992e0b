// Decisions of a review: shown at once, sent a few at a time (each batch is one version), taken back one by one.

import { SvelteMap } from 'svelte/reactivity'
import { decide, decideAtLast } from './review'
import { shown } from './shown.svelte'
import { told } from './words'

const QUIET = 1500
const MOST = 20
// The decision that takes one back.
export const OPEN = 'open'

export class Decider {
  // What was decided on this page, by key.
  made = new SvelteMap<string, string>()
  saving = $state(false)
  failure = $state('')
  // Raised when the server has what was decided.
  sent = $state(0)
  #undoable = $state.raw<Record<string, string | undefined>[]>([])
  #waiting: Record<string, string> = {}
  #timer = 0
  #busy: Promise<void> = Promise.resolve()

  constructor(readonly kind: string) {
    // A page that is left or closed has no time to wait for an answer.
    addEventListener('pagehide', () => this.#leave())
  }

  get canUndo(): boolean {
    return this.#undoable.length > 0
  }

  decide(decisions: Record<string, string>) {
    this.#undoable = [...this.#undoable, Object.fromEntries(Object.keys(decisions).map((key) => [key, this.made.get(key)]))]
    for (const [key, decision] of Object.entries(decisions)) this.made.set(key, decision)
    this.#send(decisions)
  }

  // Take the newest decision back; gives its keys.
  undo(): string[] {
    const last = this.#undoable.at(-1)
    if (!last) return []
    this.#undoable = this.#undoable.slice(0, -1)
    for (const [key, before] of Object.entries(last)) {
      if (before) this.made.set(key, before)
      else this.made.delete(key)
    }
    this.#send(Object.fromEntries(Object.entries(last).map(([key, before]) => [key, before ?? OPEN])))
    return Object.keys(last)
  }

  #send(decisions: Record<string, string>) {
    Object.assign(this.#waiting, decisions)
    clearTimeout(this.#timer)
    if (Object.keys(this.#waiting).length >= MOST) void this.flush()
    else this.#timer = window.setTimeout(() => void this.flush(), QUIET)
  }

  // Send what waits; ends when the server has it.
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#busy = this.#busy.then(() => this.#flush())
    return this.#busy
  }

  #leave() {
    if (!Object.keys(this.#waiting).length) return
    decideAtLast(this.kind, this.#waiting)
    this.#waiting = {}
  }

  async #flush() {
    const decisions = this.#waiting
    if (!Object.keys(decisions).length) return
    this.#waiting = {}
    this.saving = true
    try {
      await decide(this.kind, decisions)
      this.failure = ''
      await shown.read()
      this.sent++
    } catch (error) {
      this.#waiting = { ...decisions, ...this.#waiting }
      this.failure = `Not saved yet: ${told(error)}`
    }
    this.saving = false
  }
}

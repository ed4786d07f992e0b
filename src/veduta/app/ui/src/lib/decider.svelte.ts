// Decisions of a review: shown at once, sent a few at a time (each batch is one version), taken back one by one. Until the server
// has them they lie in the browser's own store, so that neither a busy pool, nor a server that is down, nor a closed page loses one.

import { SvelteMap } from 'svelte/reactivity'
import { Failure } from './api'
import { decide, decideAtLast } from './review'
import { shown } from './shown.svelte'
import { told } from './words'

const QUIET = 1500
const MOST = 20
// Milliseconds until the first try again, and at most; each wait is twice the one before.
const SOON = 1000
const LATE = 10_000
const STORE = 'veduta:decisions'
// The decision that takes one back.
export const OPEN = 'open'

const deciders = new Map<string, Decider>()

// The one decider of a kind; it outlives the page that shows it.
export function deciderOf(kind: string): Decider {
  if (!deciders.has(kind)) deciders.set(kind, new Decider(kind))
  return deciders.get(kind)!
}

// Send what an earlier visit of this pool has left in the browser.
export function resume() {
  for (const name of stored()) deciderOf(name.split('|')[2])
}

function stored(kind = ''): string[] {
  const start = [STORE, shown.pool?.name ?? '', kind].join('|')
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(start))
  } catch {
    return [] // the browser keeps nothing for this page
  }
}

export class Decider {
  // What was decided on this page, by key.
  made = new SvelteMap<string, string>()
  saving = $state(false)
  failure = $state('')
  // Raised when the server has what was decided.
  sent = $state(0)
  // How many decisions the server does not have yet.
  waiting = $state(0)
  #undoable = $state.raw<Record<string, string | undefined>[]>([])
  #open: Record<string, string> = {}
  #sending: Record<string, string> = {}
  #timer = 0
  #wait = SOON
  #busy: Promise<void> = Promise.resolve()
  #entry: string

  constructor(readonly kind: string) {
    this.#entry = [STORE, shown.pool?.name ?? '', kind, Math.random().toString(36).slice(2)].join('|')
    this.#adopt()
    // A page that is left or closed has no time to wait for an answer; what was sent so stays in the store all the same. Where
    // sending has failed, leaving is asked about.
    addEventListener('pagehide', () => this.#leave())
    addEventListener('beforeunload', (event) => {
      if (this.failure) event.preventDefault()
    })
  }

  // Take over what earlier visits left: to send a decision twice changes nothing.
  #adopt() {
    const left: Record<string, string> = {}
    for (const name of stored(this.kind)) {
      try {
        Object.assign(left, JSON.parse(localStorage.getItem(name) ?? '{}'))
        localStorage.removeItem(name)
      } catch {
        continue
      }
    }
    for (const [key, decision] of Object.entries(left)) this.made.set(key, decision)
    if (Object.keys(left).length) this.#send(left)
  }

  #keep() {
    const all = { ...this.#sending, ...this.#open }
    this.waiting = Object.keys(all).length
    try {
      if (this.waiting) localStorage.setItem(this.#entry, JSON.stringify(all))
      else localStorage.removeItem(this.#entry)
    } catch {
      // Without a store the decisions live as long as the page.
    }
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
    Object.assign(this.#open, decisions)
    this.#keep()
    if (Object.keys(this.#open).length >= MOST) void this.flush()
    else this.#later(QUIET)
  }

  #later(wait: number) {
    clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => void this.flush(), wait)
  }

  // Send what waits; ends when the server has it, or has refused it.
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#busy = this.#busy.then(() => this.#flush())
    return this.#busy
  }

  #leave() {
    const all = { ...this.#sending, ...this.#open }
    if (Object.keys(all).length) decideAtLast(this.kind, all)
  }

  async #flush() {
    if (!Object.keys(this.#open).length) return
    this.#sending = this.#open
    this.#open = {}
    this.saving = true
    try {
      await decide(this.kind, this.#sending)
      this.#sending = {}
      this.failure = ''
      this.#wait = SOON
      await shown.read()
      this.sent++
    } catch (error) {
      this.#open = { ...this.#sending, ...this.#open }
      this.#sending = {}
      const again = !(error instanceof Failure) || passes(error.status)
      const many = Object.keys(this.#open).length
      const waits = many === 1 ? '1 decision is not stored yet' : `${many} decisions are not stored yet`
      this.failure = `${waits}${again ? ', trying again' : ''}: ${told(error)}`
      if (again) {
        this.#later(this.#wait)
        this.#wait = Math.min(2 * this.#wait, LATE)
      }
    }
    this.#keep()
    this.saving = false
  }
}

// Whether the same request may succeed later: nobody answers, the pool is busy or away, or the server is in trouble.
function passes(status: number): boolean {
  return status === 0 || status === 401 || status === 404 || status === 409 || status === 423 || status === 429 || status >= 500
}

// Decisions of a review: shown at once, sent a few at a time (each batch is one version), undone one by one.

import { SvelteMap } from 'svelte/reactivity'
import { Failure } from './api'
import { undo } from './history'
import { decide } from './review'
import { shown } from './shown.svelte'

const QUIET = 1500
const MOST = 20

interface Batch {
  before: number
  after: number
  decisions: Record<string, string>
}

export class Decider {
  // What was decided on this page, by key.
  made = new SvelteMap<string, string>()
  saving = $state(false)
  failure = $state('')
  order = $state.raw<string[]>([])
  #waiting: Record<string, string> = {}
  #sent: Batch[] = []
  #timer = 0
  #busy: Promise<void> = Promise.resolve()

  constructor(readonly kind: string) {}

  get last(): string | undefined {
    return this.order.at(-1)
  }

  decide(decisions: Record<string, string>) {
    for (const [key, decision] of Object.entries(decisions)) {
      this.made.set(key, decision)
      this.#waiting[key] = decision
    }
    const keys = new Set(Object.keys(decisions))
    this.order = [...this.order.filter((key) => !keys.has(key)), ...keys]
    this.#soon()
  }

  // Take the newest decision back; gives its key.
  undo(): string | undefined {
    const key = this.last
    if (key === undefined) return
    this.order = this.order.slice(0, -1)
    this.made.delete(key)
    delete this.#waiting[key]
    void this.#queue(() => this.#revert(key))
    return key
  }

  // Send what waits; ends when the server has it.
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    return this.#queue(() => this.#send())
  }

  #soon() {
    clearTimeout(this.#timer)
    if (Object.keys(this.#waiting).length >= MOST) void this.flush()
    else this.#timer = window.setTimeout(() => void this.flush(), QUIET)
  }

  #queue(work: () => Promise<void>): Promise<void> {
    this.#busy = this.#busy.then(async () => {
      this.saving = true
      try {
        await work()
        this.failure = ''
      } catch (error) {
        this.failure = error instanceof Failure ? error.message : String(error)
      }
      this.saving = false
    })
    return this.#busy
  }

  async #send() {
    const decisions = this.#waiting
    if (!Object.keys(decisions).length) return
    this.#waiting = {}
    const before = shown.pool?.newest ?? 0
    try {
      const { version } = await decide(this.kind, decisions)
      this.#sent.push({ before, after: version, decisions })
    } catch (error) {
      this.#waiting = { ...decisions, ...this.#waiting }
      throw error
    }
    await shown.read()
  }

  // Back to before the batch that holds the decision; what else was decided since then is sent again.
  async #revert(key: string) {
    const at = this.#sent.findIndex((batch) => key in batch.decisions)
    if (at < 0) return
    await shown.read()
    if (shown.pool?.newest !== this.#sent.at(-1)!.after)
      throw new Failure('The pool was changed elsewhere since then. Go back on the page History.', '', 409)
    const again = Object.assign({}, ...this.#sent.slice(at).map((batch) => batch.decisions))
    const { version } = await undo(this.#sent[at].before)
    this.#sent = this.#sent.slice(0, at)
    for (const batch of this.#sent.slice(-1)) batch.after = version
    delete again[key]
    this.#waiting = { ...again, ...this.#waiting }
    await shown.read()
    await this.#send()
  }
}

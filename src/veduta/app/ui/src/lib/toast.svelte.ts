// Short messages at the foot of the page, which leave by themselves; one may carry an action such as "Undo".

export interface Message {
  id: number
  text: string
  bad: boolean
  action?: Action
  // Of several with the same subject only the newest is shown.
  about?: string
}

export interface Action {
  name: string
  run: () => void
}

interface More {
  bad?: boolean
  action?: Action
  about?: string
}

const SECONDS = 6

class Toasts {
  list = $state.raw<Message[]>([])
  #next = 0

  show(text: string, more: More = {}) {
    const id = this.#next++
    if (more.about) this.forget(more.about)
    this.list = [...this.list.slice(-2), { id, text, ...more, bad: more.bad ?? false }]
    setTimeout(() => this.drop(id), SECONDS * 1000 * (more.bad || more.action ? 2 : 1))
  }

  forget(about: string) {
    this.list = this.list.filter((message) => message.about !== about)
  }

  drop(id: number) {
    this.list = this.list.filter((message) => message.id !== id)
  }
}

export const toasts = new Toasts()

export function toast(text: string, more: More = {}) {
  toasts.show(text, more)
}

// For a promise nobody waits for: its failure is told.
export function tell(error: unknown) {
  if (error instanceof DOMException && error.name === 'AbortError') return
  toast(error instanceof Error ? error.message : String(error), { bad: true })
}

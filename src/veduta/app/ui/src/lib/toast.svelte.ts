// Short messages at the foot of the page, which leave by themselves; one may carry an action such as "Undo".

export interface Message {
  id: number
  text: string
  bad: boolean
  action?: { name: string; run: () => void }
}

const SECONDS = 6

class Toasts {
  list = $state.raw<Message[]>([])
  #next = 0

  show(text: string, more: { bad?: boolean; action?: Message['action'] } = {}) {
    const id = this.#next++
    this.list = [...this.list.slice(-2), { id, text, bad: more.bad ?? false, action: more.action }]
    setTimeout(() => this.drop(id), SECONDS * 1000 * (more.bad || more.action ? 2 : 1))
  }

  drop(id: number) {
    this.list = this.list.filter((message) => message.id !== id)
  }
}

export const toasts = new Toasts()

export function toast(text: string, more: { bad?: boolean; action?: Message['action'] } = {}) {
  toasts.show(text, more)
}

// For a promise nobody waits for: its failure is told.
export function tell(error: unknown) {
  if (error instanceof DOMException && error.name === 'AbortError') return
  toast(error instanceof Error ? error.message : String(error), { bad: true })
}

// Scrolling over more pixels than a browser lets an element have.
//
// `top` is where we are among all pixels; the element scrolls over at most LONGEST of them. Small steps move both alike,
// so that scrolling is the browser's own; a jump of the scrollbar is scaled; and once it rests, the two are brought
// together again by moving the element and its content at the same time, which nobody can see.

const LONGEST = 8_000_000
const REST = 160

export class Scroll {
  top = $state(0)
  shift = $state(0)
  height = $state(0)
  seen = $state(0)
  moving = $state(false)
  down = $state(true)
  // Far from where we were a moment ago: what is in sight comes first.
  jumped = $state(false)
  #element: HTMLElement | null = null
  #last = 0
  #timer = 0
  #landing = 0

  get inner(): number {
    return Math.min(this.height, LONGEST)
  }

  get #scale(): number {
    return this.height > LONGEST ? (this.height - this.seen) / (LONGEST - this.seen) : 1
  }

  attach(element: HTMLElement): () => void {
    this.#element = element
    return () => {
      clearTimeout(this.#timer)
      clearTimeout(this.#landing)
      this.#element = null
    }
  }

  // Go to a place; call it when the element already has its new inner height.
  to(top: number) {
    if (!this.#element) return
    top = Math.round(Math.max(0, Math.min(top, this.height - this.seen)))
    this.#element.scrollTop = Math.round(top / this.#scale)
    this.#last = this.#element.scrollTop
    this.shift = Math.round(top - this.#last)
    if (Math.abs(top - this.top) > 2 * this.seen) this.land()
    this.top = this.#last + this.shift
  }

  land() {
    this.jumped = true
    clearTimeout(this.#landing)
    this.#landing = window.setTimeout(() => (this.jumped = false), REST)
  }

  // The element was scrolled. rested: called once it has come to rest. Returns whether somebody else than `to` did it.
  scrolled(rested: () => void): boolean {
    if (!this.#element) return false
    const now = this.#element.scrollTop
    const step = Math.abs(now - this.#last)
    if (this.#scale > 1 && step > 3 * this.seen) this.shift = Math.round(now * (this.#scale - 1))
    if (step > 2 * this.seen) this.land()
    if (step) this.down = now > this.#last
    this.#last = now
    this.top = Math.max(0, Math.min(now + this.shift, this.height - this.seen))
    const atEnd = now < this.seen || now > this.inner - 2 * this.seen
    if (this.#scale > 1 && atEnd && this.#drift > this.seen) this.to(this.top)
    if (step) this.#rest(rested)
    return step > 0
  }

  // Like `to`, on somebody's wish: its rest is told.
  go(top: number, rested: () => void) {
    this.to(top)
    this.#rest(rested)
  }

  #rest(rested: () => void) {
    this.moving = true
    clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => {
      this.moving = false
      if (this.#scale > 1 && this.#drift > this.seen) this.to(this.top)
      rested()
    }, REST)
  }

  get #drift(): number {
    return Math.abs(this.#last - this.top / this.#scale)
  }
}

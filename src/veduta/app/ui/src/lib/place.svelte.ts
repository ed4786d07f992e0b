// Where the page is: path, row state and the page's own parameters, all of them in the URL and nowhere else.

import { parse, query, type ViewState } from './state'

const OWN = new Set(['version', 'where', 'pick', 'inside', 'text', 'like', 'image', 'top', 'sort', 'desc'])

class Place {
  path = $state(location.pathname)
  state = $state.raw<ViewState>(parse(location.search))
  // Parameters of one page (a zoom level, a tab); a page names its own.
  page = $state.raw<Record<string, string>>(pageOf(location.search))

  constructor() {
    addEventListener('popstate', () => this.#read())
  }

  // Whether a step back stays in the app: the page was reached from another one of it, not by a link from outside.
  get inside(): boolean {
    return !!history.state?.inside
  }

  #read() {
    this.path = location.pathname
    this.state = parse(location.search)
    this.page = pageOf(location.search)
  }

  // The address of a page, for links. Other pages keep the rows that are shown.
  href(path: string, state: ViewState = this.state, page: Record<string, string> = {}): string {
    return path + query(state, page)
  }

  go(path: string, state: ViewState = this.state, page: Record<string, string> = {}) {
    history.pushState({ inside: true }, '', this.href(path, state, page))
    this.#read()
    scrollTo(0, 0)
  }

  // Show other rows on the present page; a new entry in the browser's history.
  show(change: Partial<ViewState>) {
    history.pushState({ inside: true }, '', this.href(this.path, { ...this.state, ...change }, this.page))
    this.#read()
  }

  // Change the page's own parameters without a new entry in the browser's history.
  set(change: Record<string, string | null>) {
    const page = Object.fromEntries(
      Object.entries({ ...this.page, ...change }).filter(([, value]) => value !== null),
    ) as Record<string, string>
    history.replaceState(history.state, '', this.href(this.path, this.state, page))
    this.#read()
  }
}

function pageOf(search: string): Record<string, string> {
  return Object.fromEntries([...new URLSearchParams(search)].filter(([name]) => !OWN.has(name)))
}

export const place = new Place()

// For <a href onclick={follow}>: a plain click stays in the page, any other does what the browser does.
export function follow(event: MouseEvent) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = event.currentTarget as HTMLAnchorElement
  event.preventDefault()
  const to = new URL(link.href)
  place.go(to.pathname, parse(to.search), pageOf(to.search))
}

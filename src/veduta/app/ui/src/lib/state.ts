// The part of the URL that says which rows are shown, in which order; the same names as the server's ViewState.

export interface Pick {
  column: string
  values?: (string | boolean | null)[]
  low?: number
  high?: number
}

export interface ViewState {
  version?: number | null
  where?: string | null
  pick?: Pick[]
  // Polygons on the map: x, y, x, y, ... in the numbers of its columns.
  inside?: number[][]
  text?: string | null
  // Keys of images.
  like?: string[]
  image?: string | null
  top?: number | null
  sort?: string | null
  desc?: boolean
}

// "?a=b&..." of a state and further parameters; what is empty is left out.
export function query(state: ViewState, more: Record<string, string | number | boolean | null | undefined> = {}): string {
  const out = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...state, ...more })) {
    if (value === null || value === undefined || value === '' || value === false) continue
    if (Array.isArray(value)) {
      if (name === 'like') for (const key of value) out.append(name, String(key))
      else if (value.length) out.set(name, JSON.stringify(value))
    } else out.set(name, String(value))
  }
  const text = out.toString()
  return text && `?${text}`
}

export function parse(search: string): ViewState {
  const given = new URLSearchParams(search)
  const number = (name: string) => (given.get(name) ? Number(given.get(name)) || null : null)
  const list = (name: string) => {
    try {
      return JSON.parse(given.get(name) ?? '[]')
    } catch {
      return [] // An address that was cut short in a mail: show the rest of it.
    }
  }
  return {
    version: number('version'),
    where: given.get('where'),
    pick: list('pick'),
    inside: list('inside'),
    text: given.get('text'),
    like: given.getAll('like').filter(Boolean),
    image: given.get('image'),
    top: number('top'),
    sort: given.get('sort'),
    desc: given.get('desc') === 'true',
  }
}

// Whether rows are found by likeness rather than listed.
export const asked = (state: ViewState) => !!(state.text || state.like?.length || state.image)

// Whether a state may show fewer rows than all.
export const narrowed = (state: ViewState) => asked(state) || !!(state.where || state.pick?.length || state.inside?.length)

// What makes a state show all rows.
export const EVERYTHING: Partial<ViewState> = { where: null, text: null, like: [], image: null, pick: [], inside: [] }

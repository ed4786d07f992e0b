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
  text?: string | null
  like?: string | null
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
      if (value.length) out.set(name, JSON.stringify(value))
    } else out.set(name, String(value))
  }
  const text = out.toString()
  return text && `?${text}`
}

export function parse(search: string): ViewState {
  const given = new URLSearchParams(search)
  const number = (name: string) => (given.get(name) ? Number(given.get(name)) || null : null)
  let pick: Pick[] = []
  try {
    pick = JSON.parse(given.get('pick') ?? '[]')
  } catch {
    // An address that was cut short in a mail: show the rest of it.
  }
  return {
    version: number('version'),
    where: given.get('where'),
    pick,
    text: given.get('text'),
    like: given.get('like'),
    image: given.get('image'),
    top: number('top'),
    sort: given.get('sort'),
    desc: given.get('desc') === 'true',
  }
}

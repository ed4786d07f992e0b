// Words and numbers as people read them.

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`
}

export function share(part: number, whole: number): string {
  if (!whole) return '0 %'
  const percent = (100 * part) / whole
  if (percent > 0 && percent < 0.1) return '< 0.1 %'
  return `${percent.toFixed(percent < 10 && percent !== Math.round(percent) ? 1 : 0)} %`
}

export function seconds(s: number): string {
  if (s < 1) return 'under a second'
  if (s < 90) return `${Math.round(s)} s`
  if (s < 5400) return `${Math.round(s / 60)} min`
  return `${(s / 3600).toFixed(1)} h`
}

export function ago(moment: string, now = Date.now()): string {
  const passed = (now - Date.parse(moment)) / 1000
  if (!(passed >= 0)) return ''
  if (passed < 60) return 'just now'
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`
  return `${count(Math.floor(passed / 86400), 'day')} ago`
}

export function sentence(name: string): string {
  return capital(name.replace(/[-_]/g, ' '))
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

// A parameter as one would write it.
export function value(v: unknown): string {
  return typeof v === 'string' ? v : JSON.stringify(v)
}

export function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

// True where a key press is meant for a field or a dialog and not for the page.
export function typing(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return true
  const at = event.target as HTMLElement
  return at.matches('input, select, textarea, [contenteditable]') || document.querySelector('dialog[open]') !== null
}

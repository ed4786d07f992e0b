// What can follow in a SQL condition: columns, functions, words, and values of the column that is compared.

import { suggest } from './look'
import type { Column } from './api'

export interface Completion {
  text: string
  note: string
}
export interface Completions {
  from: number
  items: Completion[]
}

const WORDS = ['and', 'or', 'not', 'in', 'is null', 'is not null', 'like', 'ilike', 'between', 'true', 'false']
const FUNCTIONS: Record<string, string> = {
  'array_has(': 'a list holds a value',
  'array_length(': 'members of a list',
  'contains(': 'a text holds another',
  'starts_with(': 'a text begins with another',
  'ends_with(': 'a text ends with another',
  'regexp_like(': 'a text matches a pattern',
  'length(': 'letters of a text',
  'lower(': 'in small letters',
  'abs(': 'without its sign',
  'round(': 'to whole numbers',
  'coalesce(': 'the first that is not null',
}
const COMPARED = /([A-Za-z_]\w*)\s*(?:=|!=|<>|\blike\b|\bilike\b|\bin\s*\()\s*(?:'(?:[^']|'')*'\s*,\s*)*(?:'((?:[^']|'')*))?$/i
const HAS = /(?:array_has|contains|starts_with)\(\s*([A-Za-z_]\w*)\s*,\s*(?:'((?:[^']|'')*))?$/i

export async function complete(
  version: number,
  columns: Column[],
  text: string,
  cursor: number,
  signal: AbortSignal,
): Promise<Completions> {
  const before = text.slice(0, cursor)
  const compared = COMPARED.exec(before) ?? HAS.exec(before)
  const column = compared && columns.find((one) => one.name === compared[1])
  if (compared && column) {
    const begun = compared[2]
    if (column.kind === 'bool') return { from: cursor, items: ['true', 'false'].map((text) => ({ text, note: '' })) }
    const values = await suggest(version, column.name, (begun ?? '').replaceAll("''", "'"), signal)
    const from = begun === undefined ? cursor : cursor - begun.length - 1
    return { from, items: values.map((value) => ({ text: `'${value.replaceAll("'", "''")}'`, note: '' })) }
  }
  if ((before.match(/'/g)?.length ?? 0) % 2) return { from: cursor, items: [] }
  const word = /[A-Za-z_]\w*$/.exec(before)?.[0].toLowerCase() ?? ''
  const all: Completion[] = [
    ...columns.map(({ name, kind }) => ({ text: /^[A-Za-z_]\w*$/.test(name) ? name : `\`${name}\``, note: kind })),
    ...WORDS.map((text) => ({ text, note: '' })),
    ...Object.entries(FUNCTIONS).map(([text, note]) => ({ text, note })),
  ]
  const begins = all.filter(({ text }) => text.toLowerCase().startsWith(word))
  const holds = word ? all.filter((one) => !begins.includes(one) && one.text.toLowerCase().includes(word)) : []
  const items = [...begins, ...holds].filter(({ text }) => text.toLowerCase() !== word)
  return { from: cursor - word.length, items: items.slice(0, 40) }
}

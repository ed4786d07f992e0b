// Fields of an operation's JSON schema as fields of a form, and the texts of the form as the operation's parameters.

import type { Property, Schema } from './jobs'

export type FieldKind = 'choice' | 'bool' | 'number' | 'text' | 'list' | 'json'

export interface Field {
  name: string
  kind: FieldKind
  whole: boolean
  choices: string[]
  // True where null is a value.
  empty: boolean
  required: boolean
  default: unknown
  description: string
  low?: number
  high?: number
}

export function fields(schema: Schema): Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, property]) => fieldOf(name, property, schema))
}

function fieldOf(name: string, property: Property, schema: Schema): Field {
  const parts = (property.anyOf ?? [property]).map((part) => resolved(part, schema))
  const real = parts.filter((part) => part.type !== 'null')
  const one = { ...resolved(real[0] ?? {}, schema) }
  if (property.allOf?.length) Object.assign(one, resolved(property.allOf[0], schema))
  const choices = real.flatMap((part) => part.enum ?? (part.const !== undefined ? [part.const] : [])).map(String)
  const numeric = real.length > 0 && real.every((part) => part.type === 'number' || part.type === 'integer')
  let kind: FieldKind = 'json'
  if (choices.length && real.every((part) => part.enum || part.const !== undefined)) kind = 'choice'
  else if (numeric) kind = 'number'
  else if (real.length === 1 && one.type === 'boolean') kind = 'bool'
  else if (real.some((part) => part.type === 'string')) kind = 'text'
  else if (one.type === 'array' && ['string', 'number', 'integer'].includes(resolved(one.items ?? {}, schema).type ?? '')) kind = 'list'
  return {
    name,
    kind,
    whole: real.every((part) => part.type === 'integer'),
    choices,
    empty: parts.length > real.length,
    required: schema.required?.includes(name) ?? false,
    default: property.default,
    description: property.description ?? one.description ?? '',
    low: one.minimum ?? one.exclusiveMinimum,
    high: one.maximum ?? one.exclusiveMaximum,
  }
}

function resolved(property: Property, schema: Schema): Property {
  const name = property.$ref?.split('/').at(-1)
  return name ? { ...schema.$defs?.[name], ...property } : property
}

// The text that stands in a field for a value.
export function written(field: Field, value: unknown): string {
  if (value === null || value === undefined) return ''
  if (field.kind === 'list' && Array.isArray(value)) return value.join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

// Parameters of what was typed; fields that were left as they are do not count. Throws where a text is not a value.
export function parameters(all: Field[], texts: Record<string, string>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const field of all) {
    const text = texts[field.name]
    if (text === undefined || text === written(field, field.default)) continue
    out[field.name] = read(field, text.trim())
  }
  return out
}

function read(field: Field, text: string): unknown {
  if (field.kind === 'bool') return text === 'true'
  if (!text && field.empty) return null
  if (field.kind === 'number') {
    const number = Number(text)
    if (!text || !Number.isFinite(number)) throw new Error(`${field.name} must be a number.`)
    return number
  }
  if (field.kind === 'list') {
    const parts = text.split(',').map((part) => part.trim())
    return parts.filter(Boolean)
  }
  if (field.kind === 'json') {
    try {
      return JSON.parse(text)
    } catch {
      throw new Error(`${field.name} must be JSON, such as {"a": 1} or ["a", "b"].`)
    }
  }
  return text
}

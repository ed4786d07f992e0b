// Reads an Arrow IPC stream of 32-bit columns, which is all that the map asks for. Nulls are NaN or -1.
// https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format; the headers are flatbuffers.

export type Values = Float32Array | Int32Array

interface Table {
  columns: Record<string, Values>
  metadata: Record<string, string>
}

const INT = 2
const FLOAT = 3
const SCHEMA = 1
const BATCH = 3

export function columns(buffer: ArrayBuffer): Table {
  const view = new DataView(buffer)
  const fields: { name: string; float: boolean; parts: Values[] }[] = []
  const metadata: Record<string, string> = {}
  for (let at = 0; at + 8 <= buffer.byteLength; ) {
    if (view.getInt32(at, true) !== -1) throw new Error('The server sent columns in a format that this page does not know.')
    const size = view.getInt32(at + 4, true)
    if (!size) break
    const message = root(view, at + 8)
    const header = message.table(2)!
    const body = at + 8 + size
    if (message.byte(1) === SCHEMA) {
      for (const field of header.tables(1)) fields.push({ name: field.text(0), float: kindOf(field) === FLOAT, parts: [] })
      for (const pair of header.tables(2)) metadata[pair.text(0)] = pair.text(1)
    } else if (message.byte(1) === BATCH) {
      const nodes = header.vector(1)
      const buffers = header.vector(2)
      fields.forEach((field, i) => {
        const length = view.getInt32(nodes.at + 16 * i, true)
        const nulls = view.getInt32(nodes.at + 16 * i + 8, true)
        const valid = body + view.getInt32(buffers.at + 32 * i, true)
        const start = body + view.getInt32(buffers.at + 32 * i + 16, true)
        const Made = field.float ? Float32Array : Int32Array
        const values = new Made(buffer.slice(start, start + 4 * length))
        if (nulls)
          for (let row = 0; row < length; row++)
            if (!((view.getUint8(valid + (row >> 3)) >> (row & 7)) & 1)) values[row] = field.float ? NaN : -1
        field.parts.push(values)
      })
    }
    at = body + Number(message.long(3))
  }
  return { columns: Object.fromEntries(fields.map((field) => [field.name, joined(field.parts, field.float)])), metadata }
}

function kindOf(field: Flat): number {
  const kind = field.byte(2)
  if (kind !== INT && kind !== FLOAT) throw new Error(`The column ${field.text(0)} is not one of numbers.`)
  return kind
}

function joined(parts: Values[], float: boolean): Values {
  if (parts.length === 1) return parts[0]
  const out = new (float ? Float32Array : Int32Array)(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

// One flatbuffers table: its fields are found by number; an absent one is 0, null or empty.
class Flat {
  constructor(
    readonly view: DataView,
    readonly at: number,
  ) {}

  #field(n: number): number {
    const table = this.at - this.view.getInt32(this.at, true)
    const slot = 4 + 2 * n
    const offset = slot < this.view.getUint16(table, true) ? this.view.getUint16(table + slot, true) : 0
    return offset && this.at + offset
  }
  #target(at: number): number {
    return at + this.view.getUint32(at, true)
  }
  byte(n: number): number {
    const at = this.#field(n)
    return at ? this.view.getUint8(at) : 0
  }
  long(n: number): bigint {
    const at = this.#field(n)
    return at ? this.view.getBigInt64(at, true) : 0n
  }
  table(n: number): Flat | null {
    const at = this.#field(n)
    return at ? new Flat(this.view, this.#target(at)) : null
  }
  vector(n: number): { at: number; length: number } {
    const field = this.#field(n)
    if (!field) return { at: 0, length: 0 }
    const at = this.#target(field)
    return { at: at + 4, length: this.view.getUint32(at, true) }
  }
  tables(n: number): Flat[] {
    const { at, length } = this.vector(n)
    return Array.from({ length }, (_, i) => new Flat(this.view, this.#target(at + 4 * i)))
  }
  text(n: number): string {
    const { at, length } = this.vector(n)
    return new TextDecoder().decode(new Uint8Array(this.view.buffer, at, length))
  }
}

function root(view: DataView, at: number): Flat {
  return new Flat(view, at + view.getUint32(at, true))
}

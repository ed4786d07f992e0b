// Where the cells of a grid lie: whole pixels, the full width, `gap` between them.

export interface Layout {
  columns: number
  pitch: number
  gap: number
  width: number
  rows: number
}

export function layout(width: number, size: number, gap: number, total: number): Layout {
  const columns = Math.max(1, Math.round((width + gap) / (size + gap)))
  return { columns, gap, width, pitch: Math.round((width + gap) / columns), rows: Math.ceil(total / columns) }
}

export const height = ({ rows, pitch, gap }: Layout) => Math.max(0, rows * pitch - gap)

export const left = ({ columns, width, gap }: Layout, column: number) => Math.round((column * (width + gap)) / columns)

// Places of the cells that a rectangle touches; y is measured from the first row.
export function touched(l: Layout, total: number, x0: number, y0: number, x1: number, y1: number): number[] {
  const out: number[] = []
  const step = (l.width + l.gap) / l.columns
  const from = Math.max(0, Math.floor(Math.min(x0, x1) / step))
  const to = Math.min(l.columns - 1, Math.floor(Math.max(x0, x1) / step))
  const last = Math.min(l.rows - 1, Math.floor(Math.max(y0, y1) / l.pitch))
  for (let line = Math.max(0, Math.floor(Math.min(y0, y1) / l.pitch)); line <= last; line++) {
    for (let column = from; column <= to; column++) {
      if (line * l.columns + column < total) out.push(line * l.columns + column)
    }
  }
  return out
}

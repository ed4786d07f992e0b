// Points sorted into the cells of a grid over [-1, 1]^2, so that the nearest one and those in a polygon are found fast.
// Made in two passes; 4 bytes a point and a cell.

export class Cells {
  #side: number
  #starts: Uint32Array
  #rows: Uint32Array

  constructor(
    readonly x: Float32Array,
    readonly y: Float32Array,
  ) {
    this.#side = Math.max(1, Math.min(1024, Math.round(Math.sqrt(x.length / 3))))
    const starts = new Uint32Array(this.#side * this.#side + 1)
    for (let i = 0; i < x.length; i++) if (x[i] === x[i]) starts[this.#cell(x[i], y[i]) + 1]++
    for (let c = 1; c < starts.length; c++) starts[c] += starts[c - 1]
    this.#starts = starts
    this.#rows = new Uint32Array(starts[starts.length - 1])
    const next = starts.slice()
    for (let i = 0; i < x.length; i++) if (x[i] === x[i]) this.#rows[next[this.#cell(x[i], y[i])]++] = i
  }

  #along(v: number): number {
    return Math.max(0, Math.min(this.#side - 1, Math.floor(((v + 1) / 2) * this.#side)))
  }
  #cell(x: number, y: number): number {
    return this.#along(y) * this.#side + this.#along(x)
  }

  #each(left: number, low: number, right: number, high: number, on: (row: number) => void) {
    const [first, last] = [this.#along(left), this.#along(right)]
    for (let r = this.#along(low); r <= this.#along(high); r++) {
      const [start, end] = [this.#starts[r * this.#side + first], this.#starts[r * this.#side + last + 1]]
      for (let i = start; i < end; i++) on(this.#rows[i])
    }
  }

  // The row of the point nearest to (x, y) within `reach`; -1 when there is none.
  nearest(x: number, y: number, reach: number, counts: (row: number) => boolean): number {
    let [best, found] = [reach * reach, -1]
    this.#each(x - reach, y - reach, x + reach, y + reach, (row) => {
      const apart = (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2
      if (apart <= best && counts(row)) [best, found] = [apart, row]
    })
    return found
  }

  // Rows of the points inside a polygon, by the even-odd rule.
  inside(polygon: [number, number][], counts: (row: number) => boolean): number[] {
    const xs = polygon.map((p) => p[0])
    const ys = polygon.map((p) => p[1])
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
    const out: number[] = []
    this.#each(left, low, right, high, (row) => {
      const [x, y] = [this.x[row], this.y[row]]
      if (x < left || x > right || y < low || y > high) return
      let odd = false
      for (let i = 0, j = xs.length - 1; i < xs.length; j = i++)
        if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) odd = !odd
      if (odd && counts(row)) out.push(row)
    })
    return out
  }
}

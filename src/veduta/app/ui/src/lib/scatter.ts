// Points on a plane in WebGL 2: a million move smoothly. Positions and styles are uploaded once and only when they change.
// Places are scaled to [-1, 1]; the camera is a centre and a scale (CSS pixels a unit). Where a frame takes too long while
// the plane moves, only every k-th point is drawn until it rests.

import { Cells } from './cells'

const VERTEX = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in uvec2 style;
uniform vec4 camera;
uniform float size;
uniform uint layer;
uniform sampler2D palette;
out vec4 colour;
void main() {
  bool here = style.y == layer && place.x < 1e9;
  gl_Position = vec4(here ? (place - camera.xy) * camera.zw : vec2(9.0), 0.0, 1.0);
  gl_PointSize = layer == 2u ? size * 1.3 + 1.0 : size;
  colour = texelFetch(palette, ivec2(int(style.x), 0), 0);
}`

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
uniform float alpha;
uniform float edge;
uniform vec4 rim;
out vec4 pixel;
void main() {
  float r = length(gl_PointCoord - 0.5) * 2.0;
  float inside = 1.0 - smoothstep(1.0 - edge, 1.0, r);
  vec4 fill = rim.a > 0.0 ? mix(colour, rim, smoothstep(0.55, 0.65, r)) : colour;
  pixel = vec4(fill.rgb, 1.0) * (inside * alpha * fill.a);
}`

// A stride in bytes fits one byte: 8 bytes a place.
const MOST_THIN = 31
// As many as the server takes of one line.
const CORNERS = 128

export const FAINT = 0
export const PLAIN = 1
export const CHOSEN = 2

export class Scatter {
  x = new Float32Array(0)
  y = new Float32Array(0)
  // How many rows have a place.
  placed = 0
  centre: [number, number] = [0, 0]
  scale = 300
  alpha = 0.85
  faint = 0.12
  rim: [number, number, number] = [0, 0, 0]
  moved: () => void = () => {}

  #gl: WebGL2RenderingContext
  #at: Record<string, WebGLUniformLocation | null> = {}
  #places: WebGLBuffer
  #styles: WebGLBuffer
  #style = new Uint8Array(0)
  #layers = [false, false, false]
  #cells: Cells | null = null
  // What the places were moved and scaled by.
  #own = { unit: 1, midX: 0, midY: 0 }
  #frame = 0
  #fit = 300
  #thin = 1
  #last = 0
  #rest = 0

  // Throws where the browser has no WebGL 2.
  constructor(readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext('webgl2', { antialias: false, alpha: true, premultipliedAlpha: true })
    if (!gl) throw new Error('This browser shows no WebGL, which the map needs. Turn on hardware acceleration, or use another browser.')
    this.#gl = gl
    const program = gl.createProgram()!
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind)!
      gl.shaderSource(shader, text)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
    }
    gl.linkProgram(program)
    gl.useProgram(program)
    for (const name of ['camera', 'size', 'layer', 'alpha', 'edge', 'rim']) this.#at[name] = gl.getUniformLocation(program, name)
    this.#places = gl.createBuffer()!
    this.#styles = gl.createBuffer()!
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#places)
    gl.enableVertexAttribArray(0)
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0)
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#styles)
    gl.enableVertexAttribArray(1)
    gl.vertexAttribIPointer(1, 2, gl.UNSIGNED_BYTE, 4, 0)
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture())
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
  }

  // x, y: (n,), NaN for rows without a place.
  place(x: Float32Array, y: Float32Array) {
    const n = x.length
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity]
    for (let i = 0; i < n; i++) {
      if (x[i] < left) left = x[i]
      if (x[i] > right) right = x[i]
      if (y[i] < low) low = y[i]
      if (y[i] > high) high = y[i]
    }
    const unit = 2 / (Math.max(right - left, high - low) || 1)
    const [midX, midY] = [(left + right) / 2, (low + high) / 2]
    this.#own = { unit, midX, midY }
    this.x = new Float32Array(n)
    this.y = new Float32Array(n)
    const both = new Float32Array(2 * n)
    this.placed = 0
    for (let i = 0; i < n; i++) {
      this.x[i] = both[2 * i] = (x[i] - midX) * unit
      this.y[i] = both[2 * i + 1] = (y[i] - midY) * unit
      if (Number.isNaN(both[2 * i])) both[2 * i] = both[2 * i + 1] = 2e9
      else this.placed++
    }
    const gl = this.#gl
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#places)
    gl.bufferData(gl.ARRAY_BUFFER, both, gl.STATIC_DRAW)
    this.#cells = new Cells(this.x, this.y)
    this.fit()
  }

  // colours: (n,) numbers of colours in the palette; layers: (n,) of FAINT, PLAIN, CHOSEN. palette: (256, 4) in 0..255.
  paint(colours: Uint8Array, layers: Uint8Array, palette: Uint8Array) {
    const n = colours.length
    if (this.#style.length !== 4 * n) this.#style = new Uint8Array(4 * n)
    this.#layers = [false, false, false]
    for (let i = 0; i < n; i++) {
      this.#style[4 * i] = colours[i]
      this.#style[4 * i + 1] = layers[i]
      this.#layers[layers[i]] = true
    }
    const gl = this.#gl
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#styles)
    gl.bufferData(gl.ARRAY_BUFFER, this.#style, gl.DYNAMIC_DRAW)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, palette)
    this.draw()
  }

  fit() {
    const { clientWidth: w, clientHeight: h } = this.canvas
    this.#fit = this.scale = Math.max(40, (Math.min(w, h) / 2) * 0.92)
    this.centre = [0, 0]
    this.draw()
  }

  move(dx: number, dy: number) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] + dy / this.scale]
    this.#moving()
  }

  // Zoom by a factor about a point of the canvas, in CSS pixels.
  zoom(by: number, px: number, py: number) {
    const [x, y] = this.there(px, py)
    this.scale = Math.max(this.#fit / 3, Math.min(this.#fit * 3000, this.scale * by))
    const { clientWidth: w, clientHeight: h } = this.canvas
    this.centre = [x - (px - w / 2) / this.scale, y + (py - h / 2) / this.scale]
    this.#moving()
  }

  // Canvas pixels to places and back.
  there(px: number, py: number): [number, number] {
    const { clientWidth: w, clientHeight: h } = this.canvas
    return [this.centre[0] + (px - w / 2) / this.scale, this.centre[1] - (py - h / 2) / this.scale]
  }
  here(x: number, y: number): [number, number] {
    const { clientWidth: w, clientHeight: h } = this.canvas
    return [w / 2 + (x - this.centre[0]) * this.scale, h / 2 - (y - this.centre[1]) * this.scale]
  }

  // The row of the point nearest to a pixel, among those of layers above `faint`; -1 when none is within reach.
  at(px: number, py: number, reach = 10): number {
    const [x, y] = this.there(px, py)
    return this.#cells?.nearest(x, y, Math.max(reach, this.size / 2) / this.scale, (row) => this.#style[4 * row + 1] > FAINT) ?? -1
  }

  // A line of canvas pixels in the map's own numbers, x, y, x, y, ..., with as few corners as show its shape.
  line(pixels: [number, number][]): number[] {
    let apart = 3
    let kept = pixels
    do {
      kept = spaced(pixels, apart)
      apart *= 1.5
    } while (kept.length > CORNERS)
    const { unit, midX, midY } = this.#own
    return kept.flatMap(([px, py]) => {
      const [x, y] = this.there(px, py)
      return [x / unit + midX, y / unit + midY].map((v) => Number(v.toPrecision(6)))
    })
  }

  // Rows inside a line in the map's own numbers, among those that are not faint.
  inside(line: number[]): number[] {
    const { unit, midX, midY } = this.#own
    const places = Array.from({ length: line.length / 2 }, (_, i): [number, number] => [(line[2 * i] - midX) * unit, (line[2 * i + 1] - midY) * unit])
    return this.#cells?.inside(places, (row) => this.#style[4 * row + 1] > FAINT) ?? []
  }

  // Diameter of a point in CSS pixels: full clouds have small ones, and they grow a little on the way in.
  get size(): number {
    const base = 1.15 * Math.sqrt((this.#fit * this.#fit) / Math.max(1, this.placed))
    return Math.max(1.6, Math.min(16, Math.max(2.2, Math.min(9, base)) * (this.scale / this.#fit) ** 0.35))
  }

  #moving() {
    clearTimeout(this.#rest)
    this.#rest = window.setTimeout(() => {
      this.#rest = this.#last = 0
      this.draw()
    }, 180)
    this.draw()
  }

  // Every how many points one is drawn: more as frames come late, fewer as they come early.
  #step(): number {
    if (!this.#rest) return 1
    const now = performance.now()
    const took = this.#last ? now - this.#last : 25
    this.#last = now
    if (took > 45 && this.x.length > 50_000) this.#thin = Math.min(MOST_THIN, this.#thin * 2)
    else if (took < 18 && this.#thin > 1) this.#thin--
    return this.#thin
  }

  draw() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw())
  }

  #draw() {
    this.#frame = 0
    const gl = this.#gl
    const ratio = Math.min(2, devicePixelRatio || 1)
    const { clientWidth: w, clientHeight: h } = this.canvas
    const [width, height] = [Math.round(w * ratio), Math.round(h * ratio)]
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width
      this.canvas.height = height
    }
    gl.viewport(0, 0, width, height)
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    const n = this.#style.length / 4
    if (n && n === this.x.length) {
      const step = this.#step()
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#places)
      gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 8 * step, 0)
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#styles)
      gl.vertexAttribIPointer(1, 2, gl.UNSIGNED_BYTE, 4 * step, 0)
      const size = this.size * ratio
      const chosen = this.#layers[CHOSEN]
      gl.uniform4f(this.#at.camera, this.centre[0], this.centre[1], (2 * this.scale) / w, (2 * this.scale) / h)
      gl.uniform1f(this.#at.size, size)
      gl.uniform1f(this.#at.edge, Math.min(1, 2.5 / size))
      for (const layer of [FAINT, PLAIN, CHOSEN]) {
        if (!this.#layers[layer]) continue
        gl.uniform1ui(this.#at.layer, layer)
        gl.uniform1f(this.#at.alpha, layer === FAINT ? this.faint : layer === PLAIN ? (chosen ? this.alpha / 2.5 : this.alpha) : 1)
        gl.uniform4f(this.#at.rim, ...this.rim, layer === CHOSEN && this.size > 3.5 ? 1 : 0)
        gl.drawArrays(gl.POINTS, 0, Math.floor((n - 1) / step) + 1)
      }
    }
    this.moved()
  }

  end() {
    cancelAnimationFrame(this.#frame)
    clearTimeout(this.#rest)
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext()
  }
}

// The points that are at least so far from the one kept before.
function spaced(points: [number, number][], apart: number): [number, number][] {
  const out: [number, number][] = []
  for (const point of points) {
    const last = out.at(-1)
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= apart) out.push(point)
  }
  return out
}

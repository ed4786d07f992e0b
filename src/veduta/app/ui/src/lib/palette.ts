// Colours of points: names get colours far apart, numbers a ramp that is even to the eye and readable on both grounds.

type Rgb = [number, number, number]

const NAMES: Rgb[] = [
  [66, 133, 214],
  [230, 126, 34],
  [58, 158, 92],
  [214, 72, 72],
  [142, 96, 200],
  [158, 110, 80],
  [226, 106, 178],
  [150, 150, 50],
  [40, 168, 188],
  [208, 164, 32],
  [96, 108, 220],
  [120, 176, 60],
  [190, 70, 130],
  [80, 140, 140],
  [200, 120, 110],
  [110, 90, 150],
]
const RAMP: Rgb[] = [
  [104, 88, 200],
  [62, 124, 200],
  [38, 152, 150],
  [84, 186, 104],
  [178, 206, 60],
  [244, 200, 50],
]
const NONE: Rgb = [140, 140, 145]

export const STEPS = 200
// Numbers of colours in the palette.
export const NOTHING = 255
export const OTHER = 254

function ramp(t: number): Rgb {
  const at = t * (RAMP.length - 1)
  const i = Math.min(RAMP.length - 2, Math.floor(at))
  return RAMP[i].map((c, k) => Math.round(c + (RAMP[i + 1][k] - c) * (at - i))) as Rgb
}

function named(i: number): Rgb {
  const turn = Math.floor(i / NAMES.length)
  const shade = [1, 0.72, 1.25, 0.55][turn % 4]
  return NAMES[i % NAMES.length].map((c) => Math.min(255, Math.round(c * shade))) as Rgb
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`
}

export function nameColour(i: number): string {
  return css(i >= 0 && i < OTHER ? named(i) : NONE)
}

export function rampCss(): string {
  return `linear-gradient(to right, ${RAMP.map(css).join(', ')})`
}

// (256, 4) in 0..255. one: a single colour for all rows, where no column colours them.
export function palette(kind: 'names' | 'numbers' | 'one', one: Rgb): Uint8Array {
  const out = new Uint8Array(256 * 4)
  for (let i = 0; i < 256; i++) {
    const colour = i >= OTHER ? NONE : kind === 'names' ? named(i) : kind === 'numbers' ? ramp(Math.min(1, i / (STEPS - 1))) : one
    out.set([...colour, 255], 4 * i)
  }
  return out
}

// COCO's compressed run-length masks: runs of 0 and 1 down the columns, each a difference to the run two before.

export function runs(text: string): number[] {
  const out: number[] = []
  for (let at = 0; at < text.length; ) {
    let value = 0
    let bits = 0
    let more = true
    while (more && at < text.length) {
      const five = text.charCodeAt(at++) - 48
      value |= (five & 31) << bits
      bits += 5
      more = !!(five & 32)
      if (!more && five & 16) value |= -1 << bits
    }
    out.push(out.length > 2 ? value + out[out.length - 2] : value)
  }
  return out
}

// Paints a mask in one colour [red, green, blue, alpha] of 0 to 255.
export function paint(pixels: ImageData, mask: string, colour: readonly number[]) {
  const { width, height, data } = pixels
  let at = 0
  let on = false
  for (const length of runs(mask)) {
    const end = Math.min(at + Math.max(0, length), width * height)
    if (on) for (let i = at; i < end; i++) data.set(colour, 4 * ((i % height) * width + Math.floor(i / height)))
    at = end
    on = !on
  }
}

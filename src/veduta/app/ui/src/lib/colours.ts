// Colours that stay apart on photographs, by class name: a name has the same colour on every picture, unless another
// name of that picture has it already.

const HUES = [212, 28, 145, 330, 48, 270, 180, 0, 95, 300]

export function hues(names: Iterable<string>): Map<string, number> {
  const out = new Map<string, number>()
  const taken = new Set<number>()
  for (const name of names) {
    if (out.has(name)) continue
    let slot = hash(name) % HUES.length
    while (taken.has(slot) && taken.size < HUES.length) slot = (slot + 1) % HUES.length
    taken.add(slot)
    out.set(name, HUES[slot])
  }
  return out
}

function hash(name: string): number {
  let sum = 0
  for (let i = 0; i < name.length; i++) sum = (sum * 31 + name.charCodeAt(i)) >>> 0
  return sum
}

export const colour = (hue = 0) => `hsl(${hue} 90% 62%)`

// The same colour as bytes; alpha from 0 to 1.
export function rgba(hue: number, alpha: number): number[] {
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12
    return Math.round(255 * (0.62 - 0.342 * Math.max(-1, Math.min(k - 3, 9 - k, 1))))
  }
  return [channel(0), channel(8), channel(4), Math.round(alpha * 255)]
}

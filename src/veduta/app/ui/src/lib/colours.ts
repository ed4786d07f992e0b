// Colours that stay apart on photographs, by class name: the same name has the same colour on every picture.

const HUES = [212, 28, 145, 330, 48, 270, 180, 0, 95, 300]

export function hue(name: string): number {
  let sum = 0
  for (let i = 0; i < name.length; i++) sum = (sum * 31 + name.charCodeAt(i)) >>> 0
  return HUES[sum % HUES.length]
}

export const colour = (name: string) => `hsl(${hue(name)} 90% 62%)`

export function rgba(name: string, alpha: number): number[] {
  const h = hue(name)
  const channel = (n: number) => {
    const k = (n + h / 30) % 12
    return Math.round(255 * (0.62 - 0.342 * Math.max(-1, Math.min(k - 3, 9 - k, 1))))
  }
  return [channel(0), channel(8), channel(4), Math.round(alpha * 255)]
}

// A drawn line with fewer corners.

export type Point = [number, number]

// The points without those that lie closer than `near` to the line through those that stay (Ramer, Douglas, Peucker).
export function simpler(points: Point[], near: number): Point[] {
  if (points.length < 3) return points
  const keep = new Uint8Array(points.length)
  keep[0] = keep[points.length - 1] = 1
  const pieces: [number, number][] = [[0, points.length - 1]]
  for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
    const [first, last] = piece
    let [far, at] = [near, -1]
    for (let i = first + 1; i < last; i++) {
      const apart = distance(points[i], points[first], points[last])
      if (apart > far) [far, at] = [apart, i]
    }
    if (at < 0) continue
    keep[at] = 1
    pieces.push([first, at], [at, last])
  }
  return points.filter((_, i) => keep[i])
}

// From a point to the nearest of a stretch from a to b.
function distance([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay]
  const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)))
  return Math.hypot(x - ax - along * dx, y - ay - along * dy)
}

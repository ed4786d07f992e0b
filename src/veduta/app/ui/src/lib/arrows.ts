// Relations as arrows from the middle of one box to the middle of another, in the pixels of the image.

import type { Relation } from './look'

type Point = [number, number]

// from, to: ends of the curve; bend: its control point; middle: where its word stands.
export interface Arrow {
  relation: Relation
  from: Point
  bend: Point
  to: Point
  middle: Point
}

const BEND = 0.16

// Those between two places; the more join the same two, the wider they bend, so that none hides another.
export function arrows(relations: Relation[]): Arrow[] {
  const joined = new Map<string, number>()
  return relations.flatMap((relation) => {
    const { subject, object } = relation
    if (!subject.box || !object.box) return []
    const [from, to] = [middle(subject.box), middle(object.box)]
    if (from[0] === to[0] && from[1] === to[1]) return []
    const pair = `${subject.box} ${object.box}`
    const nth = joined.get(pair) ?? 0
    joined.set(pair, nth + 1)
    const [across, down] = [to[0] - from[0], to[1] - from[1]]
    // Bent to the left of its way, so that there and back are two curves.
    const by = BEND * (nth + 1)
    const bend: Point = [(from[0] + to[0]) / 2 + down * by, (from[1] + to[1]) / 2 - across * by]
    const half: Point = [(from[0] + 2 * bend[0] + to[0]) / 4, (from[1] + 2 * bend[1] + to[1]) / 4]
    return [{ relation, from, bend, to, middle: half }]
  })
}

// The head's corners: its tip lies at the end of the curve. size: in pixels of the image.
export function head({ bend, to }: Arrow, size: number): string {
  const angle = Math.atan2(to[1] - bend[1], to[0] - bend[0])
  const corner = (by: number): Point => [to[0] - size * Math.cos(angle + by), to[1] - size * Math.sin(angle + by)]
  return [to, corner(0.42), corner(-0.42)].map((point) => point.join(',')).join(' ')
}

function middle([x, y, w, h]: number[]): Point {
  return [x + w / 2, y + h / 2]
}

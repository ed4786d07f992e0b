// What is drawn over an image, and what of it was turned off.

import { hues } from './colours'
import { NONE, type Detail, type Relation, type Thing } from './look'

export const PARTS = ['boxes', 'masks', 'keypoints'] as const

export const className = (thing: Thing | undefined) => thing?.class ?? NONE

export class Drawn {
  // By part ("boxes", "relations") or class ("class dog").
  off = $state<Record<string, boolean>>({})
  // The relation that is pointed at.
  marked = $state.raw<Relation | null>(null)
  #detail: () => Detail | null

  constructor(detail: () => Detail | null) {
    this.#detail = detail
  }

  get things(): Thing[] {
    return this.#detail()?.objects ?? []
  }

  get relations(): Relation[] {
    return this.#detail()?.relations ?? []
  }

  readonly names = $derived.by(() => [...new Set(this.things.map(className))].sort())
  readonly hues = $derived.by(() => hues(this.names))

  has(part: (typeof PARTS)[number]): boolean {
    return this.things.some(({ box, mask, keypoints }) => (part === 'boxes' ? box?.length === 4 : part === 'masks' ? mask : keypoints?.length))
  }

  // The objects, without what is off.
  readonly shown = $derived.by(() =>
    this.things
      .filter((thing) => !this.off[`class ${className(thing)}`])
      .map((thing) => ({
        ...thing,
        box: this.off.boxes ? null : thing.box,
        mask: this.off.masks ? null : thing.mask,
        keypoints: this.off.keypoints ? null : thing.keypoints,
      })),
  )

  // The relations between objects that are shown.
  readonly joined = $derived.by(() => {
    const hidden = (thing: number | null) => thing !== null && this.off[`class ${className(this.things[thing])}`]
    return this.off.relations ? [] : this.relations.filter(({ subject, object }) => !hidden(subject.thing) && !hidden(object.thing))
  })
}

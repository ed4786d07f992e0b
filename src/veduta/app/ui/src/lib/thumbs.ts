// Small pictures by row number: asked for in batches, newest first, kept as blob URLs up to a number of bytes.

import { ask } from './api'
import { query } from './state'

export type Side = 64 | 128 | 256 | 512
const SIDES: Side[] = [64, 128, 256, 512]

const BATCH = 48
const AT_ONCE = 4
const KEPT = 128 * 2 ** 20

interface Wish {
  version: number
  side: Side
  row: number
  waiting: number
  promise: Promise<string>
  done: (url: string) => void
  fail: (error: unknown) => void
  batch: Batch | null
}
interface Batch {
  wishes: Wish[]
  stop: AbortController
}

const kept = new Map<string, { url: string; bytes: number }>()
const wishes = new Map<string, Wish>()
let queue: Wish[] = []
let running = 0
let bytes = 0
let planned = false

const name = (version: number, row: number, side: Side) => `${version}/${side}/${row}`

// The smallest stored side that fills so many pixels of the screen.
export function sideFor(pixels: number): Side {
  return SIDES.find((side) => side >= pixels * Math.min(devicePixelRatio, 1.5) * 0.9) ?? 512
}

// The picture's URL if it is here already, '' for a row that has none; else undefined.
export function peek(version: number, row: number, side: Side): string | undefined {
  const found = kept.get(name(version, row, side))
  if (found) {
    kept.delete(name(version, row, side))
    kept.set(name(version, row, side), found)
  }
  return found?.url
}

// The picture's URL; '' for a row without one. Rejects with an AbortError when the signal ends it.
export function thumb(version: number, row: number, side: Side, signal?: AbortSignal): Promise<string> {
  const here = peek(version, row, side)
  if (here !== undefined) return Promise.resolve(here)
  const wish = wishes.get(name(version, row, side)) ?? wanted(version, row, side)
  wish.waiting++
  if (!signal) return wish.promise
  return new Promise((done, fail) => {
    signal.addEventListener('abort', () => {
      wish.waiting--
      leave(wish)
      fail(signal.reason)
    })
    wish.promise.then(done, fail)
  })
}

function wanted(version: number, row: number, side: Side): Wish {
  let done!: Wish['done']
  let fail!: Wish['fail']
  const promise = new Promise<string>((yes, no) => ([done, fail] = [yes, no]))
  promise.catch(() => {})
  const wish: Wish = { version, row, side, waiting: 0, promise, done, fail, batch: null }
  wishes.set(name(version, row, side), wish)
  queue.push(wish)
  if (!planned) setTimeout(send, 8)
  planned = true
  return wish
}

// Nobody waits any more: out of the queue, or the whole batch is ended once nobody waits for any of it.
function leave(wish: Wish) {
  if (wish.waiting > 0 || wishes.get(name(wish.version, wish.row, wish.side)) !== wish) return
  if (!wish.batch) {
    queue = queue.filter((other) => other !== wish)
    wishes.delete(name(wish.version, wish.row, wish.side))
  } else if (wish.batch.wishes.every((other) => other.waiting <= 0)) {
    for (const other of wish.batch.wishes) wishes.delete(name(other.version, other.row, other.side))
    wish.batch.stop.abort()
  }
}

function send() {
  planned = false
  while (running < AT_ONCE && queue.length) {
    const { version, side } = queue[queue.length - 1]
    const same = (wish: Wish) => wish.version === version && wish.side === side
    // The last screenful that was asked for is the one on the screen; its first rows are its top.
    const batch = { wishes: queue.filter(same).slice(-4 * BATCH).slice(0, BATCH), stop: new AbortController() }
    const taken = new Set(batch.wishes)
    queue = queue.filter((wish) => !taken.has(wish))
    for (const wish of batch.wishes) wish.batch = batch
    running++
    void fetchBatch(batch).finally(() => {
      running--
      send()
    })
  }
}

async function fetchBatch({ wishes: asked, stop }: Batch) {
  const { version, side } = asked[0]
  try {
    const rows = asked.map((wish) => wish.row).join(',')
    const answer = await ask(`thumbs${query({ version }, { rows, side })}`, { signal: stop.signal })
    const found = unpack(await answer.arrayBuffer())
    for (const wish of asked) settle(wish, found.get(wish.row) ?? null)
  } catch (error) {
    for (const wish of asked) {
      if (wishes.get(name(version, wish.row, side)) === wish) wishes.delete(name(version, wish.row, side))
      wish.fail(error)
    }
  }
}

// (row uint32, length uint32, bytes) one after another, little-endian.
function unpack(data: ArrayBuffer): Map<number, Blob> {
  const view = new DataView(data)
  const out = new Map<number, Blob>()
  for (let at = 0; at + 8 <= data.byteLength; ) {
    const row = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    if (length) out.set(row, new Blob([new Uint8Array(data, at + 8, length)], { type: type(view.getUint8(at + 8)) }))
    at += 8 + length
  }
  return out
}

const type = (first: number) => (first === 0xff ? 'image/jpeg' : first === 0x89 ? 'image/png' : 'image/webp')

function settle(wish: Wish, blob: Blob | null) {
  const url = blob ? URL.createObjectURL(blob) : ''
  kept.set(name(wish.version, wish.row, wish.side), { url, bytes: blob?.size ?? 0 })
  wishes.delete(name(wish.version, wish.row, wish.side))
  bytes += blob?.size ?? 0
  for (const [key, old] of kept) {
    if (bytes <= KEPT && kept.size <= 20_000) break
    kept.delete(key)
    bytes -= old.bytes
    if (old.url) URL.revokeObjectURL(old.url)
  }
  wish.done(url)
}

// The jobs of the server, followed while they run, on whatever page one is. A finished one is told, and what it made shows.

import { cancelJob, follow, jobs, startJob, type Job, type Start } from './jobs'
import { shown } from './shown.svelte'
import { tell, toast } from './toast.svelte'
import { sentence } from './words'

export interface Progress {
  stage: string
  rows: number
  total: number | null
  rate: number | null
}

export interface Followed extends Job {
  progress: Progress | null
  lines: string[]
}

const LINES = 200
export const over = (job: Job) => job.state !== 'running'

class Running {
  list = $state.raw<Followed[]>([])
  failure = $state('')
  #followed = new Set<string>()

  async read() {
    try {
      const found = await jobs()
      const before = new Map(this.list.map((job) => [job.id, job]))
      this.list = found.map((job) => ({ progress: null, lines: [], ...pickFollowed(before.get(job.id)), ...job }))
      this.failure = ''
      for (const job of this.list) if (!over(job)) this.#follow(job.id)
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error)
    }
  }

  async start(start: Start): Promise<string> {
    const { id } = await startJob(start)
    await this.read()
    return id
  }

  async cancel(id: string) {
    try {
      await cancelJob(id)
      await this.read()
    } catch (error) {
      tell(error)
    }
  }

  // The job when it is over.
  async ended(id: string): Promise<Followed> {
    for (;;) {
      const job = this.list.find((one) => one.id === id)
      if (job && over(job)) return job
      await new Promise((done) => setTimeout(done, 300))
      if (!this.#followed.has(id)) await this.read()
    }
  }

  #follow(id: string) {
    if (this.#followed.has(id)) return
    this.#followed.add(id)
    follow(
      id,
      (event) => this.#change(id, (job) => heard(job, event)),
      () => void this.#end(id),
    )
  }

  async #end(id: string) {
    this.#followed.delete(id)
    await new Promise((done) => setTimeout(done, 200))
    await this.read()
    const job = this.list.find((one) => one.id === id)
    if (!job || !over(job)) return
    if (job.state === 'done') {
      toast(`${sentence(title(job))} is done.`)
      await shown.read()
    } else if (job.state === 'failed') toast(job.error || `${sentence(title(job))} failed.`, { bad: true })
  }

  #change(id: string, how: (job: Followed) => Followed) {
    this.list = this.list.map((job) => (job.id === id ? how(job) : job))
  }
}

// An export has no operation.
export const title = (job: Job) => (job.verb === 'export' ? `Export as ${job.operation}` : job.operation)

function pickFollowed(job: Followed | undefined): Partial<Followed> {
  return job ? { progress: job.progress, lines: job.lines } : {}
}

// What an event of a run changes: where it is, and a line for people.
function heard(job: Followed, event: Record<string, unknown>): Followed {
  const { event: kind, stage, rows, total, rate, seconds, message } = event
  const say = (line: string) => ({ ...job, lines: [...job.lines.slice(1 - LINES), line] })
  if (kind === 'stage') return { ...say(String(stage)), progress: { stage: String(stage), rows: 0, total: number(total), rate: null } }
  if (kind === 'progress') return { ...job, progress: { stage: String(stage), rows: number(rows) ?? 0, total: number(total), rate: number(rate) } }
  if (kind === 'done') return say(`${stage}: ${Number(rows ?? 0).toLocaleString('en')} rows in ${seconds} s`)
  return message === undefined ? job : say(String(message))
}

const number = (v: unknown) => (typeof v === 'number' ? v : null)

export const running = new Running()

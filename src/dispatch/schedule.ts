import type { Feed } from './feed.ts'
import { takenFrom, type Taken } from './taken.ts'

/** Who may send next on a lane: projects in turn, within a project batches in turn; of a batch, lines that come back for another attempt before new ones. */
export interface Schedule {
  add(feed: Feed): void
  /** There may be lines at hand again. */
  wake(feed: Feed): void
  /** New lines are no longer taken from it; those that come back for another attempt still are sent. */
  remove(feed: Feed): void
  /** A line is due for its next attempt. */
  again(taken: Taken): void
  /** The next line for this model that may go to one of these endpoints (null: to any). */
  next(model: string, endpoints: readonly string[] | null): Taken | undefined
}

interface Entry {
  readonly feed: Feed
  readonly due: Taken[]
  /** Is it in its project's turn? A feed without lines is not, until it is woken. */
  queued: boolean
  removed: boolean
}
interface ProjectTurn {
  readonly projectId: string
  readonly entries: Entry[]
}

export function makeSchedule(): Schedule {
  const entries = new Map<Feed, Entry>()
  const turns = new Map<string, ProjectTurn[]>()

  function queue(entry: Entry): void {
    if (entry.queued) return
    entry.queued = true
    const { model, projectId } = entry.feed
    const order = turns.get(model) ?? []
    turns.set(model, order)
    const project = order.find((p) => p.projectId === projectId)
    if (project) project.entries.push(entry)
    else order.push({ projectId, entries: [entry] })
  }

  function entryOf(feed: Feed): Entry {
    const known = entries.get(feed)
    if (known) return known
    const entry: Entry = { feed, due: [], queued: false, removed: false }
    entries.set(feed, entry)
    return entry
  }

  function take(entry: Entry): Taken | undefined {
    for (let taken = entry.due.shift(); taken; taken = entry.due.shift()) if (!taken.over) return taken
    if (entry.removed) return undefined
    const line = entry.feed.take()
    return line && takenFrom(entry.feed, line)
  }

  /** Goes once round the batches of a project; whoever has no line leaves the turn. */
  function nextOf(project: ProjectTurn, endpoints: readonly string[] | null): Taken | undefined {
    for (let left = project.entries.length; left > 0; left--) {
      const entry = project.entries.shift()
      if (!entry) break
      if (endpoints && !endpoints.includes(entry.feed.endpoint)) {
        project.entries.push(entry)
        continue
      }
      const taken = take(entry)
      if (taken) {
        project.entries.push(entry)
        return taken
      }
      entry.queued = false
      if (entry.removed) entries.delete(entry.feed)
    }
    return undefined
  }

  return {
    add: (feed) => queue(entryOf(feed)),
    wake(feed) {
      const entry = entries.get(feed)
      if (entry && !entry.removed) queue(entry)
    },
    remove(feed) {
      const entry = entries.get(feed)
      if (!entry) return
      entry.removed = true
      if (!entry.queued) entries.delete(feed)
    },
    again(taken) {
      const entry = entryOf(taken.feed)
      entry.due.push(taken)
      queue(entry)
    },
    next(model, endpoints) {
      const order = turns.get(model)
      if (!order) return undefined
      for (let left = order.length; left > 0; left--) {
        const project = order.shift()
        if (!project) break
        const taken = nextOf(project, endpoints)
        if (project.entries.length > 0) order.push(project)
        if (taken) return taken
      }
      if (order.length === 0) turns.delete(model)
      return undefined
    },
  }
}

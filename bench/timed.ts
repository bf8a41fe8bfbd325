import { create, ended, until, type Seen } from './batch.ts'
import type { Server } from './child.ts'

/** A batch from create to completed: its times, its CPU and what it wrote. */
export interface Timed {
  readonly ms: number
  readonly planMs: number
  readonly sendMs: number
  readonly composeMs: number
  readonly cpuMicros: number
  readonly written: number
  readonly done: Seen
}

/** While lines are sent the server is seldom asked, so that asking costs it nothing; near the end often, so that the end is seen when it comes. */
export async function timedBatch(server: Server, file: string, count: number, endpoint?: string): Promise<Timed> {
  const [cpu, written, from] = [server.cpuMicros(), server.writtenBytes(), performance.now()]
  const { id } = await create(server, file, endpoint)
  const running = await until(server, id, (b) => b.request_counts.total > 0 || ended(b), 5)
  const startedAt = performance.now()
  const settled = (share: number) => (b: Seen) =>
    ended(b) || b.request_counts.completed + b.request_counts.failed >= count * share
  const nearly = ended(running) ? running : await until(server, id, settled(0.8), 50)
  const sent = ended(nearly) ? nearly : await until(server, id, settled(1), 10)
  const sentAt = performance.now()
  const done = ended(sent) ? sent : await until(server, id, ended, 5)
  if (done.request_counts.completed !== count) throw new Error(`not all lines completed: ${JSON.stringify(done.request_counts)}`)
  const endedAt = performance.now()
  return {
    ms: endedAt - from,
    planMs: startedAt - from,
    sendMs: sentAt - startedAt,
    composeMs: endedAt - sentAt,
    cpuMicros: (server.cpuMicros() - cpu) / count,
    written: (server.writtenBytes() - written) / count,
    done,
  }
}

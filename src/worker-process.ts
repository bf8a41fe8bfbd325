/** A worker as a process of its own under a server on the same machine: begins when it is told how, ends when it is told to, or at once when the server has gone. */
import { openEngine, runEngine } from './engine.ts'
import { letHeapGrow } from './kit/heap.ts'
import { workBehindOthers } from './kit/priority.ts'
import type { ToServer, ToWorker } from './workers.ts'

const seenEveryMs = 500
const stopping = new AbortController()
const tell = (message: ToServer): void => void process.send?.(message, undefined, undefined, () => {}) // NOTE: a channel that has just closed; its end is told below

process.on('disconnect', () => process.exit(1))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}) // NOTE: a terminal sends them to all; the server says when to stop

process.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') stopping.abort()
  else if (message.kind === 'begin') void work(message)
})

async function work({ settings, owner }: Extract<ToWorker, { kind: 'begin' }>): Promise<void> {
  letHeapGrow()
  workBehindOthers()
  try {
    const engine = await openEngine(settings, {}, { owner, tell: (channel) => tell({ kind: 'hint', channel }) })
    process.on('message', (message: ToWorker) => message.kind === 'hint' && engine.heard(message.channel))
    const seen = async () =>
      tell({ kind: 'seen', backends: engine.dispatcher.backends(), metrics: await engine.metrics.values() })
    const seeing = setInterval(() => void seen(), seenEveryMs)
    await runEngine(engine, stopping.signal)
    clearInterval(seeing)
    await engine[Symbol.asyncDispose]()
    process.exit(0)
  } catch (error) {
    process.stderr.write(`nightshift worker: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
}

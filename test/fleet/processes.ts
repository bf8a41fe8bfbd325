import { readFile } from 'node:fs/promises'
import { poll } from '../conformance/follow.ts'

/** The worker processes under a server. */
export async function workersOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const found = []
  for (const child of children.split(' ').filter(Boolean).map(Number))
    if ((await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')).includes('worker-process')) found.push(child)
  return found
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Notes what `seen` gives every few milliseconds, until disposed. */
export function watchFor<T>(
  seen: () => Promise<readonly T[]> | readonly T[],
): { readonly all: ReadonlySet<T> } & AsyncDisposable {
  const all = new Set<T>()
  let over = false
  const watching = (async () => {
    while (!over) {
      for (const one of await seen()) all.add(one)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  return {
    all,
    async [Symbol.asyncDispose]() {
      over = true
      await watching
    },
  }
}

export const untilGone = (pids: readonly number[]): Promise<unknown> =>
  poll(
    async () => pids.filter(isAlive),
    (left) => left.length === 0,
    'all processes are gone',
  )

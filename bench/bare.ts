/** The bare loop, in a process of its own: one `Pool`, `pool.request`, bodies read to the end and dropped. */
import { fork } from 'node:child_process'
import { Pool } from 'undici'

export interface BareRun {
  readonly ms: number
  readonly cpuMicros: number
}

export function runBare(url: string, lines: number, open: number, bytes: number): Promise<BareRun> {
  const child = fork(new URL(import.meta.url), [url, String(lines), String(open), String(bytes)])
  return new Promise((resolve, reject) => {
    child.once('message', (run) => resolve(run as BareRun))
    child.once('exit', (code) => code !== 0 && reject(new Error(`the bare loop ended with ${code}`)))
  })
}

async function loop(url: string, lines: number, open: number, bytes: number): Promise<void> {
  const body = Buffer.from(
    JSON.stringify({ model: 'sim', messages: [{ role: 'user', content: 'x'.repeat(bytes) }], max_tokens: 16 })
      .slice(0, bytes)
      .padEnd(bytes),
  )
  const pool = new Pool(url, { connections: open })
  const cpu = process.cpuUsage()
  const from = performance.now()
  let left = lines
  await Promise.all(
    Array.from({ length: open }, async () => {
      while (left-- > 0) {
        const answer = await pool.request({
          path: '/v1/chat/completions',
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
        })
        for await (const chunk of answer.body) void chunk
      }
    }),
  )
  const { user, system } = process.cpuUsage(cpu)
  process.send?.({ ms: performance.now() - from, cpuMicros: (user + system) / lines })
  await pool.close()
  process.disconnect()
}

const [url, lines, open, bytes] = process.argv.slice(2)
if (process.send && url?.startsWith('http')) await loop(url, Number(lines), Number(open), Number(bytes))

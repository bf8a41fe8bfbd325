import { createServer } from 'node:net'

/** Below those that a system lends to connections that go out (from 32,768 on Linux): a server that is killed finds its port free when it comes back. */
const [lowest, highest] = [15_000, 32_000]

export async function freePort(): Promise<number> {
  for (let tries = 0; ; tries++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    const server = createServer()
    const error = await new Promise<Error | null>((resolve) => {
      server.once('error', resolve).listen(port, '127.0.0.1', () => resolve(null))
    })
    if (error === null) {
      await new Promise((resolve) => server.close(resolve))
      return port
    }
    if (tries >= 100) throw error
  }
}

/** Stands between two processes, as networks do: passes bytes on, until it is told to break, to hold or to refuse. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Connections that it broke. */
  readonly broken: number
  /** Breaks every connection at once, with a reset. */
  reset(): void
  /** No byte passes either way until `flow`. */
  hold(): void
  flow(): void
  /** Nobody listens until `up`; what is open breaks. */
  down(): Promise<void>
  up(): Promise<void>
}

export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let held = false
  let broken = 0
  let server: Server | null = null

  function join(from: Socket): void {
    const to = connect(target, '127.0.0.1')
    const pair = [from, to] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      for (const one of pair) one.destroy()
    }
    for (const one of pair) one.on('error', end).on('close', end)
    if (held) for (const one of pair) one.pause()
    from.on('data', (bytes) => pass(bytes, from, to))
    to.on('data', (bytes) => pass(bytes, to, from))
    if (held) for (const one of pair) one.pause()
  }

  function pass(bytes: Buffer, from: Socket, to: Socket): void {
    if (to.write(bytes)) return
    from.pause()
    to.once('drain', () => held || from.resume())
  }

  async function listen(port: number): Promise<number> {
    const one = createServer(join)
    await new Promise<void>((resolve, reject) => one.once('error', reject).listen(port, '127.0.0.1', resolve))
    server = one
    return (one.address() as AddressInfo).port
  }

  function reset(): void {
    for (const pair of pairs) {
      broken++
      for (const one of pair) one.resetAndDestroy()
    }
    pairs.clear()
  }

  async function down(): Promise<void> {
    const one = server
    server = null
    reset()
    if (one) await new Promise((resolve) => one.close(resolve))
  }

  const port = await listen(0)
  return {
    port,
    get broken() {
      return broken
    },
    reset,
    hold() {
      held = true
      for (const pair of pairs) for (const one of pair) one.pause()
    },
    flow() {
      held = false
      for (const pair of pairs) for (const one of pair) one.resume()
    },
    down,
    async up() {
      if (!server) await listen(port)
    },
    [Symbol.asyncDispose]: down,
  }
}

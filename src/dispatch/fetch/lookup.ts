import { lookup, Resolver } from 'node:dns/promises'

/** All addresses of a name, in the order in which to try them. `granted`: the operator has allowed the host by name. */
export type Resolve = (host: string, granted: boolean, signal: AbortSignal) => Promise<readonly string[]>

/**
 * A caller's name is asked of DNS alone: not of the hosts file, not with the search domains of this network, and not by `getaddrinfo`, which cannot be stopped
 * and holds one of the few threads of the pool for as long as a hostile name server likes. A name that the operator allows is looked up as any program of this
 * machine would. IPv4 first: where there is no IPv6 (most containers) or no IPv4, the first try fails at once.
 */
export const systemResolve: Resolve = async (host, granted, signal) => {
  if (granted) {
    const found = await lookup(host, { all: true })
    return found.toSorted((a, b) => a.family - b.family).map(({ address }) => address)
  }
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  const stop = () => resolver.cancel()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    if (four.status === 'rejected' && six.status === 'rejected') throw four.reason
    return [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

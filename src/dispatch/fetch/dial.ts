import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Where a connection goes. */
export interface Place {
  /** An IP address that has been checked: nothing is looked up any more. */
  readonly address: string
  readonly port: number
  readonly secure: boolean
  /** The name that the certificate must be for; null: the address itself. */
  readonly servername: string | null
}

/** Opens a connection; rejects with the reason of the signal if that aborts first, and nothing is left open then. */
export type Dial = (place: Place, signal: AbortSignal) => Promise<Socket>

/** By node's own sockets: no proxy of the environment, no pool, no TLS session of somebody else. */
export const systemDial: Dial = ({ address, port, secure, servername }, signal) =>
  new Promise((resolve, reject) => {
    const where = { host: address, port, autoSelectFamily: false }
    const socket = secure
      ? connectTls({ ...where, ALPNProtocols: ['http/1.1'], ...(servername === null ? {} : { servername }) })
      : connect(where)
    const stop = () => {
      socket.destroy()
      reject(signal.reason)
    }
    socket.on('error', (error) => {
      signal.removeEventListener('abort', stop)
      reject(error)
    }) // NOTE: stays, so that an error between two owners of the socket is nobody's uncaught one
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      signal.removeEventListener('abort', stop)
      resolve(socket.setNoDelay(true))
    })
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })

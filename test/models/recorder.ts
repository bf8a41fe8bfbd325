import { once } from 'node:events'
import { createServer, request as ask } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A call as it went over the wire. */
export interface Recorded {
  readonly path: string
  readonly sent: Buffer
  readonly status: number
  readonly answered: Buffer
}

/** A proxy that changes nothing and keeps everything; of a call that broke on either side it keeps nothing, and breaks the other side too. */
export async function startRecorder(target: string) {
  const recorded: Recorded[] = []
  const server = createServer((incoming, response) => {
    const [sent, answered]: [Buffer[], Buffer[]] = [[], []]
    const { method, url = '', headers } = incoming
    const outgoing = ask(target + url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.on('data', (chunk: Buffer) => answered.push(chunk))
      answer.on('end', () => {
        const { statusCode: status = 0 } = answer
        recorded.push({ path: url, sent: Buffer.concat(sent), status, answered: Buffer.concat(answered) })
      })
      answer.on('error', () => response.destroy())
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    response.on('close', () => response.writableFinished || outgoing.destroy())
    incoming.on('data', (chunk: Buffer) => sent.push(chunk))
    incoming.pipe(outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** The calls that sent something. */
    posts: (): readonly Recorded[] => recorded.filter(({ sent }) => sent.length > 0),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

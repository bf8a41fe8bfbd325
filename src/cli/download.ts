import type { Client } from '../client.ts'

const triesAtMost = 5

/** The bytes of a file or object. A download that breaks goes on at the byte where it stopped. @throws {ClientError} */
export async function* download(client: Client, id: string): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let tries = 1; ; tries++) {
    try {
      for await (const chunk of await client.content(id, at)) {
        at += chunk.length
        tries = 1
        yield chunk
      }
      return
    } catch (error) {
      if (tries >= triesAtMost || (error instanceof Error && 'status' in error && Number(error.status) >= 400)) throw error
    }
  }
}

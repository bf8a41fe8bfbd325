/** What audio costs: files of 5 MB that pass from the web through the server into the forms of an instant backend. */
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { call, ended, until, upload, type Seen } from './batch.ts'
import { startServer } from './child.ts'
import { row, writeConfig, writeInput, type Scenario } from './table.ts'

const [count, fileBytes] = [200, 5_000_000]

/** A wav that plays for as long as its bytes are many: 16 kHz, 16 bits. */
function wavOf(bytes: number): Buffer {
  const wav = Buffer.alloc(bytes)
  wav.write('RIFF', 0)
  wav.writeUInt32LE(bytes - 8, 4)
  wav.write('WAVEfmt ', 8)
  for (const [at, value] of [
    [16, 16],
    [24, 16_000],
    [28, 32_000],
    [40, bytes - 44],
  ] as const)
    wav.writeUInt32LE(value, at)
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ] as const)
    wav.writeUInt16LE(value, at)
  wav.write('data', 36)
  return wav
}

/** Both ends in a process of their own: where the files lie, and a backend that takes them in and answers. It says that it is a fake. */
function serveBoth(): void {
  const wav = wavOf(fileBytes)
  const server = createServer((request, response) => {
    if (request.method === 'GET' && request.url?.startsWith('/files/'))
      return void response.writeHead(200, { 'content-type': 'audio/wav', 'content-length': wav.length }).end(wav)
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ text: `fake: ${bytes} bytes` })),
    )
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.on('disconnect', () => process.exit())
}

async function audio(): Promise<void> {
  const child = fork(new URL(import.meta.url), ['both'])
  const port = await new Promise<number>((resolve) => child.once('message', (message) => resolve(message as number)))
  const web = `http://127.0.0.1:${port}`
  const config = writeConfig(`backends:\n  - url: ${web}\n    models: [sim]\nfetch:\n  allow: [127.0.0.1]\n  ports: [${port}]\n`)
  await using server = await startServer(['--config', config])
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      custom_id: `a${i}`,
      method: 'POST',
      url: '/v1/audio/transcriptions',
      body: { model: 'sim', file_url: `${web}/files/${i}.wav` },
    }),
  )
  const path = writeInput('audio', `${lines.join('\n')}\n`)
  const before = server.rssBytes()
  const [file, cpu, from] = [await upload(server, path), server.cpuMicros(), performance.now()]
  const body = JSON.stringify({ input_file_id: file, endpoint: '/v1/audio/transcriptions', completion_window: '24h' })
  const { id } = await call<Seen>(server, 'POST', '/batches', body, { 'content-type': 'application/json' })
  const done = await until(server, id, ended)
  const ms = performance.now() - from
  const { seconds } = (done as Seen & { usage: { seconds: number } }).usage
  row(
    `${count} files of 5 MB, fetched and sent on`,
    `${Math.round((count * fileBytes) / ms / 1000)} MB/s, ${((server.cpuMicros() - cpu) / count / 1000).toFixed(1)} ms CPU a file; ${done.request_counts.completed} completed, ${Math.round(seconds)} s of audio`,
  )
  row('  peak RSS', `${Math.round(server.peakBytes() / 1e6)} MB (${Math.round(before / 1e6)} MB before)`, '< 300 MB')
  child.disconnect()
}

export const audioScenarios: Readonly<Record<string, Scenario>> = { audio }

if (process.argv[2] === 'both') serveBoth()

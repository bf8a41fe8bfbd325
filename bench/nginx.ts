import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An instant backend in a process of its own: nginx where it is there, else Node. */
export interface Mock {
  readonly kind: string
  readonly url: string
  stop(): Promise<void>
}

export async function startNginx(answer: string): Promise<Mock> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-bench-'))
  const found = spawnSync('nginx', ['-v']).status === 0
  const config = join(folder, 'nginx.conf')
  await writeFile(config, configOf(folder, port, answer))
  const child = found
    ? spawn('nginx', ['-c', config, '-p', folder, '-e', join(folder, 'error.log')], { stdio: 'inherit' })
    : spawn(process.execPath, ['-e', nodeMock, String(port), answer], { stdio: 'inherit' })
  await reachable(port)
  return {
    kind: found ? 'nginx' : 'node',
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill()
      await once(child, 'exit')
      await rm(folder, { recursive: true })
    },
  }
}

const configOf = (folder: string, port: number, answer: string): string => `
daemon off; master_process off; worker_processes 1; pid ${folder}/pid; worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port} backlog=16384; location / { default_type application/json; ${returning(answer)} } }
}`

/** nginx takes no text of more than 4,096 bytes: a long answer is put together from variables. */
function returning(answer: string): string {
  const pieces = answer.match(/.{1,3000}/gs) ?? []
  return `${pieces.map((piece, i) => `set $piece${i} '${piece}';`).join(' ')} return 200 "${pieces.map((_, i) => `\${piece${i}}`).join('')}";`
}

const nodeMock = `
const [, port, answer] = process.argv
require('node:http').createServer((request, response) => {
  request.resume().on('end', () => response.setHeader('content-type', 'application/json').end(answer))
}).listen(Number(port), '127.0.0.1')`

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function reachable(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1')
    const up = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
      () => false,
    )
    socket.destroy()
    if (up) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the mock does not come up')
}

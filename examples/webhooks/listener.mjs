// Tells a chat, or people by mail, which batches have ended: the listener of a webhook. Needs Node 20 and nothing else.
//   WEBHOOK_SECRET=whsec_... CHAT_URL=https://hooks.slack.com/services/... PORT=8080 node listener.mjs
// CHAT_URL: an incoming webhook of Slack, Mattermost, Rocket.Chat and their kind. MAIL_TO=team@example.com: by this machine's sendmail.
import { execFileSync } from 'node:child_process'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const { WEBHOOK_SECRET, CHAT_URL, MAIL_TO, PORT = '8080' } = process.env
if (!WEBHOOK_SECRET?.startsWith('whsec_')) throw new Error('Set WEBHOOK_SECRET to the secret that the webhook was made with')
const key = Buffer.from(WEBHOOK_SECRET.slice('whsec_'.length), 'base64')
const seen = new Set()

/** Was it signed with the secret, in the last five minutes? So says Standard Webhooks; `webhooks.unwrap` of OpenAI's clients does the same. */
function isGenuine({ 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures = '' }, body) {
  const wanted = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`)
  const given = signatures.split(' ').map((signature) => Buffer.from(signature))
  const isSigned = given.some((one) => one.length === wanted.length && timingSafeEqual(one, wanted))
  return isSigned && Math.abs(Date.now() / 1000 - Number(at)) < 300
}

async function chat(text) {
  const headers = { 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(30_000)
  const { ok, status } = await fetch(CHAT_URL, { method: 'POST', headers, body: JSON.stringify({ text }), signal })
  if (!ok) throw new Error(`the chat answered ${status}`)
}

function mail(text) {
  execFileSync('sendmail', ['-t'], { input: `To: ${MAIL_TO}\nSubject: ${text}\n\n${text}\n`, timeout: 30_000 })
}

async function hear(request, response) {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) if ((body += chunk).length > 65_536) return request.destroy()
  if (!isGenuine(request.headers, body)) return response.writeHead(401).end()
  response.writeHead(204).end() // NOTE: at once; the server waits 15 s, and then tries again
  const id = request.headers['webhook-id']
  if (seen.has(id)) return
  seen.add(id)
  if (seen.size > 10_000) seen.delete(seen.values().next().value)
  const { type, data } = JSON.parse(body)
  const text = `Nightshift: ${type} ${data.id}`
  try {
    if (CHAT_URL) await chat(text)
    if (MAIL_TO) mail(text)
  } catch (error) {
    seen.delete(id) // NOTE: so that `nightshift webhooks replay` tells it again
    throw error
  }
}

const server = createServer((request, response) => void hear(request, response).catch(console.error))
server.listen(PORT, () => console.log(`listens at port ${PORT}`))

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { signedHeaders } from '../../src/domain/webhook.ts'
import { openFolder } from '../cli/program.ts'
import { poll } from '../conformance/follow.ts'
import { openLocal } from '../conformance/local.ts'
import { call, post } from '../conformance/wire.ts'
import { freePort } from '../support/free-port.ts'
import { startListener } from '../support/listener.ts'

const example = join(import.meta.dirname, '../../examples/webhooks/listener.mjs')

test('the listener of the examples tells a chat and by mail what the server signed, once, and nothing else', async () => {
  await using folder = await openFolder()
  await using room = await startListener()
  const port = String(await freePort())
  await using subject = await openLocal({ fetchAllow: '127.0.0.1', fetchPorts: port })
  const url = `http://127.0.0.1:${port}/`
  const { id, secret } = (await post(subject, '/v1/webhooks', { url })).json as { id: string; secret: string }
  await writeFile(folder.in('sendmail'), `#!/bin/sh\ncat >> ${folder.in('mails')}\n`, { mode: 0o755 })
  const env = {
    PATH: `${folder.path}:${process.env.PATH}`,
    WEBHOOK_SECRET: secret,
    CHAT_URL: room.url,
    MAIL_TO: 'a@b.example',
    PORT: port,
  }
  const listener = spawn(process.execPath, [example], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(listener.stdout, 'data')
    const said = async () => room.heard.map(({ body }) => (JSON.parse(body) as { text: string }).text)
    expect((await call(subject, 'POST', `/v1/webhooks/${id}/test`)).status).toBe(200)
    await poll(said, ({ length }) => length > 0, 'the chat is told')

    const told = async (event: string, { key = secret, at = Date.now(), signed = event } = {}) => {
      const bodyOf = (batch: string) => JSON.stringify({ type: 'batch.completed', data: { id: batch } })
      const headers = signedHeaders(event, bodyOf(signed), [key], at)
      return (await fetch(url, { method: 'POST', body: bodyOf(event), headers })).status
    }
    expect([
      await told('evt_1', { key: `whsec_${Buffer.from('another').toString('base64')}` }),
      await told('evt_2', { at: Date.now() - 600_000 }),
      await told('evt_3', { signed: 'what the server said' }),
      (await fetch(url, { method: 'POST', body: '{}' })).status,
    ]).toEqual([401, 401, 401, 401])
    expect([await told('evt_4'), await told('evt_4'), await told('last')]).toEqual([204, 204, 204])
    const lines = [`webhook.test ${id}`, 'batch.completed evt_4', 'batch.completed last'].map((line) => `Nightshift: ${line}`)
    expect(await poll(said, (all) => all.some((line) => line.endsWith('last')), 'the chat is told the last')).toEqual(lines)
    const mails = await poll(
      () => readFile(folder.in('mails'), 'utf8'),
      (text) => text.endsWith('last\n'),
      'the last mail is sent',
    )
    expect(mails).toBe(lines.map((line) => `To: a@b.example\nSubject: ${line}\n\n${line}\n`).join(''))
  } finally {
    listener.kill()
  }
})

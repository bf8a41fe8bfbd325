import type { Client } from '../client.ts'
import type { DeliveryView, WebhookView } from '../domain/webhook-wire.ts'
import { exit, type Exit } from './failure.ts'
import { table, when, type Terminal } from './terminal.ts'

const show = (t: Terminal, rows: readonly (readonly string[])[], data: unknown): Exit => {
  t.out(t.json ? `${JSON.stringify(data, null, 2)}\n` : table(rows))
  return exit.done
}

export async function listWebhooks(t: Terminal, client: Client): Promise<Exit> {
  const found = await client.webhooks()
  const row = (w: WebhookView) => [
    w.id,
    w.url,
    w.events.join(' ') || 'all',
    when(w.created_at),
    w.disabled_at === null ? '' : when(w.disabled_at),
  ]
  return show(t, [['ID', 'URL', 'EVENTS', 'CREATED', 'TURNED OFF'], ...found.map(row)], found)
}

/** The secret is alone on standard output, so that a script can take it. */
export function showSecret(t: Terminal, one: WebhookView & { readonly secret: string }): Exit {
  if (!t.json) t.err(`${one.id}: its secret is shown this once:\n`)
  return show(t, [[one.secret]], one)
}

export async function deleteWebhook(t: Terminal, client: Client, id: string): Promise<Exit> {
  await client.deleteWebhook(id)
  return show(t, [[`deleted ${id}`]], { id, deleted: true })
}

export async function enableWebhook(t: Terminal, client: Client, id: string): Promise<Exit> {
  const enabled = await client.enableWebhook(id)
  return show(t, [[`${id} is sent events again`]], enabled)
}

const deliveryRow = (d: DeliveryView) => [
  d.id,
  d.type,
  d.data.id,
  d.state,
  String(d.attempts),
  d.next_at === null ? '' : when(d.next_at),
  d.last_error ?? (d.last_status === null ? '' : String(d.last_status)),
]

export const showDeliveries = (t: Terminal, found: readonly DeliveryView[]): Exit =>
  show(t, [['EVENT', 'TYPE', 'OF', 'STATE', 'TRIES', 'NEXT', 'CAME'], ...found.map(deliveryRow)], found)

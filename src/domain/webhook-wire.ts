import { seconds } from './seconds.ts'
import type { Delivery, Webhook } from './webhook.ts'

export const webhookWire = (w: Webhook) => ({
  id: w.id,
  object: 'webhook' as const,
  url: w.url,
  events: [...w.events],
  created_at: seconds(w.createdAt),
  disabled_at: w.disabledAt === null ? null : seconds(w.disabledAt),
})
export type WebhookView = ReturnType<typeof webhookWire>

export const deliveryWire = (d: Delivery) => ({
  id: d.eventId,
  object: 'webhook.delivery' as const,
  type: d.type,
  data: { id: d.subject },
  state: d.state,
  attempts: d.attempts,
  created_at: seconds(d.createdAt),
  next_at: d.state === 'waiting' ? seconds(d.nextAt) : null,
  ended_at: d.endedAt === null ? null : seconds(d.endedAt),
  last_status: d.lastStatus,
  last_error: d.lastError,
})
export type DeliveryView = ReturnType<typeof deliveryWire>

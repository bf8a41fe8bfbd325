import { Type, type Static } from '@sinclair/typebox'
import { eventTypes } from '../../domain/webhook.ts'
import { described } from '../openapi.ts'

const time = Type.Union([Type.Integer({ description: 'seconds since 1970' }), Type.Null()])

const fields = {
  id: Type.String(),
  object: Type.Literal('webhook'),
  url: Type.String(),
  events: Type.Array(Type.String(), { description: 'none: all' }),
  created_at: Type.Integer(),
  disabled_at: time,
}
export const webhook = Type.Object(fields)
export const webhookWithSecret = Type.Object({ ...fields, secret: Type.String({ description: 'shown this once' }) })
export const webhookList = Type.Object({ object: Type.Literal('list'), data: Type.Array(webhook), has_more: Type.Boolean() })
export const deletedWebhook = Type.Object({ id: Type.String(), object: Type.Literal('webhook'), deleted: Type.Boolean() })

export const webhookBody = Type.Object({
  url: Type.String({ maxLength: 2048, description: 'where events are posted: an address on the public internet' }),
  events: Type.Optional(Type.Array(Type.Union(eventTypes.map((type) => Type.Literal(type))), { maxItems: 20 })),
})
export type WebhookBody = Static<typeof webhookBody>

export const delivery = Type.Object({
  id: Type.String({ description: "the event's id, which is sent as webhook-id" }),
  object: Type.Literal('webhook.delivery'),
  type: Type.String(),
  data: Type.Object({ id: Type.String() }),
  state: Type.String({ description: 'waiting, delivered, failed' }),
  attempts: Type.Integer(),
  created_at: Type.Integer(),
  next_at: time,
  ended_at: time,
  last_status: Type.Union([Type.Integer(), Type.Null()]),
  last_error: Type.Union([Type.String(), Type.Null()]),
})
export const deliveryList = Type.Object({ object: Type.Literal('list'), data: Type.Array(delivery), has_more: Type.Boolean() })
export const deliveriesQuery = Type.Object({
  limit: Type.Optional(Type.String({ description: 'default 20', [described]: { type: 'integer', minimum: 1, maximum: 100 } })),
})
export type DeliveriesQuery = Static<typeof deliveriesQuery>
export const deliveryParams = Type.Object({ id: Type.String(), event: Type.String() })

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { invalid, noSigningKey, noSuchDelivery, noSuchWebhook, tooManyWebhooks } from '../../domain/errors.ts'
import { FetchError } from '../../domain/fetch-error.ts'
import { checkAddress } from '../../domain/fetch-rules.ts'
import { oldSecretMs, secretOf, testType, type Webhook } from '../../domain/webhook.ts'
import { deliveryWire, webhookWire } from '../../domain/webhook-wire.ts'
import { wholeList } from '../../domain/wire.ts'
import { findDelivery, insertDelivery, listDeliveries, replayDelivery } from '../../store/deliveries.ts'
import { addWebhook, deleteWebhook, findWebhook, listWebhooks, setDisabled, turnSecret } from '../../store/webhooks.ts'
import { does } from '../guard/allowed.ts'
import type { ApiParts } from '../parts.ts'
import { parseLimit } from '../query.ts'
import { idParams } from '../schemas.ts'
import {
  deletedWebhook,
  deliveriesQuery,
  delivery,
  deliveryList,
  deliveryParams,
  webhook,
  webhookBody,
  webhookList,
  webhookWithSecret,
  type DeliveriesQuery,
  type WebhookBody,
} from './webhook-schemas.ts'

const most = 20

interface OfOne {
  Params: { id: string }
}

/** Who is told of the ends of batches: our addition (spec: "Told when it is done"). */
export function webhookRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { db, clock, newUuid, webhooks } = parts
  const newId = (prefix: string) => prefix + newUuid().replaceAll('-', '')

  async function existing({ caller, params }: Pick<FastifyRequest<OfOne>, 'caller' | 'params'>): Promise<Webhook> {
    const found = await findWebhook(db, caller.projectId, params.id)
    if (!found) throw noSuchWebhook(params.id)
    return found
  }

  async function withSecret(one: Webhook) {
    if (!webhooks) throw noSigningKey()
    const [newest] = await webhooks.signingKeys()
    return { ...webhookWire(one), secret: secretOf(newest, one.id, one.secretNumber) }
  }

  app.get(
    '/webhooks',
    { config: does('webhooks.list'), schema: { summary: 'List webhooks', response: { 200: webhookList } } },
    async ({ caller }) => wholeList((await listWebhooks(db, caller.projectId)).map(webhookWire)),
  )

  app.post<{ Body: WebhookBody }>(
    '/webhooks',
    {
      config: does('webhooks.create'),
      schema: {
        summary: 'Create a webhook; its secret is in the answer',
        body: webhookBody,
        response: { 200: webhookWithSecret },
      },
    },
    async ({ caller, body: { url, events = [] } }) => {
      if (!webhooks) throw noSigningKey()
      try {
        checkAddress(url, webhooks.rules)
      } catch (error) {
        throw error instanceof FetchError ? invalid('url', error.message) : error
      }
      const made: Webhook = {
        id: newId('wh_'),
        projectId: caller.projectId,
        url,
        events: [...new Set(events)],
        secretNumber: 1,
        oldUntil: 0,
        createdAt: clock.now(),
        disabledAt: null,
      }
      if (!(await addWebhook(db, made, most))) throw tooManyWebhooks(most)
      return withSecret(made)
    },
  )

  app.get<OfOne>(
    '/webhooks/:id',
    { config: does('webhooks.get'), schema: { summary: 'Get a webhook', params: idParams, response: { 200: webhook } } },
    async (request) => webhookWire(await existing(request)),
  )

  app.delete<OfOne>(
    '/webhooks/:id',
    {
      config: does('webhooks.delete'),
      schema: { summary: 'Delete a webhook', params: idParams, response: { 200: deletedWebhook } },
    },
    async ({ caller, params: { id } }) => {
      if (!(await deleteWebhook(db, caller.projectId, id))) throw noSuchWebhook(id)
      return { id, object: 'webhook', deleted: true }
    },
  )

  app.post<OfOne>(
    '/webhooks/:id/rotate',
    {
      config: does('webhooks.rotate'),
      schema: {
        summary: 'Give a webhook a new secret; for a day events are signed with both',
        params: idParams,
        response: { 200: webhookWithSecret },
      },
    },
    async ({ caller, params: { id } }) => {
      const turned = await turnSecret(db, caller.projectId, id, oldSecretMs)
      if (!turned) throw noSuchWebhook(id)
      return withSecret(turned)
    },
  )

  app.post<OfOne>(
    '/webhooks/:id/enable',
    {
      config: does('webhooks.enable'),
      schema: { summary: 'Send events again to a webhook that was turned off', params: idParams, response: { 200: webhook } },
    },
    async (request) => {
      const one = await existing(request)
      await setDisabled(db, one.id, false)
      return webhookWire({ ...one, disabledAt: null })
    },
  )

  app.post<OfOne>(
    '/webhooks/:id/test',
    {
      config: does('webhooks.test'),
      schema: { summary: 'Send a test event to a webhook', params: idParams, response: { 200: delivery } },
    },
    async (request) => {
      const { id: webhookId } = await existing(request)
      const eventId = newId('evt_')
      await insertDelivery(db, { webhookId, eventId, type: testType, subject: webhookId })
      return shown(webhookId, eventId)
    },
  )

  app.get<OfOne & { Querystring: DeliveriesQuery }>(
    '/webhooks/:id/deliveries',
    {
      config: does('webhooks.deliveries'),
      schema: {
        summary: 'List what was sent to a webhook, newest first',
        params: idParams,
        querystring: deliveriesQuery,
        response: { 200: deliveryList },
      },
    },
    async (request) => {
      const limit = parseLimit(request.query.limit, { most: 100, otherwise: 20 })
      const found = await listDeliveries(db, (await existing(request)).id, limit + 1)
      return { ...wholeList(found.slice(0, limit).map(deliveryWire)), has_more: found.length > limit }
    },
  )

  app.post<{ Params: { id: string; event: string } }>(
    '/webhooks/:id/deliveries/:event/replay',
    {
      config: does('webhooks.replay'),
      schema: { summary: 'Send an event again, under the same id', params: deliveryParams, response: { 200: delivery } },
    },
    async (request) => {
      const { id } = await existing(request)
      const { event } = request.params
      if (!(await replayDelivery(db, id, event))) throw noSuchDelivery(event)
      return shown(id, event)
    },
  )

  async function shown(webhookId: string, eventId: string) {
    const found = await findDelivery(db, webhookId, eventId)
    if (!found) throw noSuchDelivery(eventId)
    return deliveryWire(found)
  }
}

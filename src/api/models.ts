import type { FastifyInstance } from 'fastify'
import { ApiError } from '../domain/errors.ts'
import { listModels } from '../store/models.ts'
import { does } from './guard/allowed.ts'
import type { ApiParts } from './parts.ts'
import { idParams, listOf, model } from './schemas.ts'

const modelWire = (m: { model: string; seenAt: number }) => ({
  id: m.model,
  object: 'model',
  created: Math.floor(m.seenAt / 1000),
  owned_by: 'nightshift',
})

/** What the backends said they have: the API asks the database, never them. */
export function modelRoutes(app: FastifyInstance, { db }: ApiParts): void {
  app.get(
    '/models',
    { config: does('models.list'), schema: { summary: 'List models', response: { 200: listOf(model) } } },
    async () => ({
      object: 'list',
      data: (await listModels(db)).map(modelWire),
    }),
  )

  app.get<{ Params: { id: string } }>(
    '/models/:id',
    { config: does('models.get'), schema: { summary: 'Get a model', params: idParams, response: { 200: model } } },
    async (request) => {
      const found = (await listModels(db)).find((m) => m.model === request.params.id)
      if (!found)
        throw new ApiError(404, 'model_not_found', `The model '${request.params.id.slice(0, 100)}' does not exist.`, 'model')
      return modelWire(found)
    },
  )
}

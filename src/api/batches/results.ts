import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { noSuchBatch } from '../../domain/errors.ts'
import { parseBatchId } from '../../domain/ids.ts'
import { formatCursor } from '../../domain/result-cursor.ts'
import { does } from '../guard/allowed.ts'
import type { ApiParts } from '../parts.ts'
import { parseLimit } from '../query.ts'
import { nextPage, positionIn } from './result-pages.ts'
import { openShelf } from './result-shelf.ts'
import { idParams, resultLines, resultsQuery } from '../schemas.ts'
import { sendBytes } from '../send-bytes.ts'

const pageBytes = { otherwise: 4 * 1024 * 1024, most: 64 * 1024 * 1024, name: 'max_bytes' }

interface ResultsQuery {
  readonly after?: string
  readonly max_bytes?: string
}

/** Results while a batch runs, and afterwards: our addition (spec: "Results while it runs"). */
export function resultRoutes(app: FastifyInstance, parts: ApiParts): void {
  app.get<{ Params: { id: string }; Querystring: ResultsQuery }>(
    '/batches/:id/results',
    {
      config: does('results.read'),
      schema: {
        summary: 'Read the results that a batch has so far, page by page; each line is in one page',
        params: idParams,
        querystring: resultsQuery,
        response: { 200: resultLines },
      },
    },
    async (request, reply) => {
      const { projectId } = request.caller
      const { after, max_bytes: wanted } = request.query
      const id = parseBatchId(request.params.id)
      const budget = parseLimit(wanted, pageBytes)
      const open = async () => {
        const shelf = await openShelf(parts, projectId, id)
        if (!shelf) throw noSuchBatch(id)
        return shelf
      }
      const page = await nextPage(open, (shelf) => positionIn(shelf, id, after), budget)
      void reply
        .header('content-type', 'application/x-ndjson')
        .header('content-length', page.bytes)
        .header('cache-control', 'no-store')
        .header('x-incomplete', String(page.incomplete))
        .header('x-next-after', formatCursor(page.cursor, id))
      if (request.method === 'HEAD') return reply.send(Readable.from([]))
      return sendBytes(parts, reply, page.read(), (error) => error)
    },
  )
}

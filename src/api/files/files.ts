import type { FastifyInstance } from 'fastify'
import { isAddress } from '../../domain/address.ts'
import { invalid, noSuchFile } from '../../domain/errors.ts'
import { isFileId, parseFileId } from '../../domain/ids.ts'
import { fileWire, listWire } from '../../domain/wire.ts'
import { deleteFile, findFile, listFiles } from '../../store/files.ts'
import { announceUpload, dropUpload } from '../../store/uploads.ts'
import { does } from '../guard/allowed.ts'
import { sendContent } from './content.ts'
import type { ApiParts } from '../parts.ts'
import { parseLimit, parseOrder, type PageQuery } from '../query.ts'
import { contentBytes, deletedFile, file, uploadBody, idParams, listOf, filesQuery } from '../schemas.ts'
import { receiveUpload } from './upload.ts'

/** An address as it stands in a path, its slashes and its own escapes as they were written. */
function addressIn(url: string): string | null {
  const [, address] = /\/v1\/files\/((?:s3|https?):.+)\/content\/?(?:\?|$)/is.exec(url) ?? []
  return address ?? null
}

/** A proxy may have made one of two. */
const twoSlashes = (address: string): string => address.replace(/^(s3|https?):\/(?!\/)/i, '$1://')

export function fileRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { db, files, clock } = parts

  app.post(
    '/files',
    {
      config: does('files.upload'),
      schema: { summary: 'Upload a file', consumes: ['multipart/form-data'], body: uploadBody, response: { 200: file } },
    },
    async (request) => fileWire(await receiveUpload(parts, request)),
  )

  app.get<{ Querystring: PageQuery }>(
    '/files',
    { config: does('files.list'), schema: { summary: 'List files', querystring: filesQuery, response: { 200: listOf(file) } } },
    async (request) => {
      const { projectId } = request.caller
      const { purpose = null, after } = request.query
      const limit = parseLimit(request.query.limit, { most: 10_000, otherwise: 10_000 })
      const order = parseOrder(request.query.order)
      const last = after === undefined ? null : isFileId(after) ? await findFile(db, projectId, after) : undefined
      if (last === undefined || (after !== undefined && !last))
        throw invalid(
          'after',
          `Invalid 'after': there is no file with id '${after?.slice(0, 100)}'. Give the last id of the page before.`,
        )
      const found = await listFiles(db, projectId, { purpose, after: last, order, limit: limit + 1 })
      return listWire(found.slice(0, limit).map(fileWire), found.length > limit)
    },
  )

  app.get<{ Params: { id: string } }>(
    '/files/:id',
    { config: does('files.get'), schema: { summary: 'Get a file', params: idParams, response: { 200: file } } },
    async (request) => {
      if (isAddress(request.params.id))
        throw noSuchFile(request.params.id, 'Of an object there is only its content: add /content.')
      const found = await findFile(db, request.caller.projectId, parseFileId(request.params.id))
      if (!found) throw noSuchFile(request.params.id)
      return fileWire(found)
    },
  )

  app.delete<{ Params: { id: string } }>(
    '/files/:id',
    { config: does('files.delete'), schema: { summary: 'Delete a file', params: idParams, response: { 200: deletedFile } } },
    async (request) => {
      const id = parseFileId(request.params.id)
      const deleted = await db.tx(async (tx) => {
        const row = await deleteFile(tx, request.caller.projectId, id)
        if (row) await announceUpload(tx, { blob: row.blob, owner: 'deleted', leaseMs: 0 }) // NOTE: so that the janitor finds the blob if we die here
        return row
      })
      if (!deleted || (deleted.expiresAt !== null && deleted.expiresAt <= clock.now())) throw noSuchFile(id)
      await files.delete([deleted.blob])
      await dropUpload(db, deleted.blob)
      return { id, object: 'file', deleted: true }
    },
  )

  app.get<{ Params: { id: string } }>(
    '/files/:id/content',
    {
      config: does('files.content'),
      schema: {
        summary: 'The bytes of a file, or of an object by its address',
        params: idParams,
        response: { 200: contentBytes },
      },
    },
    (request, reply) => sendContent(parts, request, reply, request.params.id),
  )

  /** An address whose slashes were not escaped. */
  app.get<{ Params: { '*': string } }>(
    '/files/*',
    { config: does('files.content'), schema: { hide: true } },
    (request, reply) => {
      const [, address] = /^(.+)\/content$/s.exec(request.params['*']) ?? []
      if (address === undefined) throw noSuchFile(request.params['*'])
      return sendContent(parts, request, reply, twoSlashes(addressIn(request.raw.url ?? '') ?? address))
    },
  )
}

import type { FastifyInstance } from 'fastify'
import { noSuchRoute, wrongMethod } from '../domain/errors.ts'

/** What is asked for and is not there is told before anything of its body is read: 405 with the methods that there are, else 404. */
export function refuseUnknown(app: FastifyInstance): void {
  const known: { readonly path: RegExp; readonly methods: Set<string> }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const path = patternOf(url)
    const one = known.find((k) => k.path.source === path.source) ?? { path, methods: new Set() }
    if (!known.includes(one)) known.push(one)
    for (const each of [method].flat()) one.methods.add(each)
  })
  app.addHook('onRequest', async (request) => {
    if (!request.is404) return
    const path = request.url.split('?')[0] ?? ''
    const methods = new Set(known.filter((k) => k.path.test(path)).flatMap((k) => [...k.methods]))
    throw methods.size > 0 && !methods.has(request.method)
      ? wrongMethod(request.method, path, [...methods].toSorted())
      : noSuchRoute(request.method, path)
  })
}

/** `/v1/batches/:id` as the addresses that it stands for, with or without a slash at the end. */
const patternOf = (url: string): RegExp =>
  new RegExp(
    `^${url
      .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/:\w+/g, '[^/]+')
      .replaceAll('*', '.*')}/?$`,
  )

import type { S3Access, Secret } from '../domain/grant.ts'
import { SettingsError } from './error.ts'

export const accessKeys = ['endpoint', 'region', 'accessKeyId', 'secretAccessKey', 'sessionToken', 'pathStyle']
/** Those of which the file's reader leaves in place where they are kept. */
export const secretKeys = new Set(['accessKeyId', 'secretAccessKey', 'sessionToken'])
const usualRegion = 'us-east-1'

/** How an S3 server is reached, from settings of which `what` (such as "bucket 'jobs'") is the owner. @throws {SettingsError} */
export function parseAccess(entry: Record<string, unknown>, where: string, what: string): S3Access {
  const { endpoint, region = usualRegion, accessKeyId, secretAccessKey, sessionToken, pathStyle } = entry
  const no = (problem: string): never => {
    throw new SettingsError(`${where}: ${what}: ${problem}`)
  }
  const url = typeof endpoint === 'string' && URL.canParse(endpoint) ? new URL(endpoint) : null
  if (!url || !isServer(url))
    return no(
      'endpoint must be the address of an S3 server, such as https://s3.fr-par.scw.cloud, without the bucket and without a path',
    )
  if (typeof region !== 'string' || !/^[a-z0-9-]+$/i.test(region))
    return no('region must be the name of a region, such as fr-par')
  if (pathStyle !== undefined && typeof pathStyle !== 'boolean') return no('pathStyle must be true or false')
  if (!isText(accessKeyId) && !isSecret(accessKeyId)) return no('accessKeyId is missing')
  const secret = (value: unknown, name: string): Secret =>
    isSecret(value)
      ? value
      : no(`${name} must be a variable, "\${NAME}", or a file, { file: path }: a secret does not stand in the settings`)
  return {
    endpoint: url.origin,
    region,
    accessKeyId,
    secretAccessKey: secret(secretAccessKey, 'secretAccessKey'),
    ...(sessionToken !== undefined && { sessionToken: secret(sessionToken, 'sessionToken') }),
    pathStyle: pathStyle ?? url.protocol === 'http:',
  }
}

const isServer = (url: URL): boolean =>
  /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isSecret = (value: unknown): value is Secret =>
  typeof value === 'object' && value !== null && ('variable' in value || 'file' in value)

/** As a folder: empty, or without a slash at its start and with one at its end. @throws {SettingsError} */
export function parsePrefix(prefix: unknown, where: string, what: string): string {
  if (typeof prefix !== 'string') throw new SettingsError(`${where}: ${what}: prefix must be text, such as in/`)
  const folder = prefix.replaceAll(/^\/+|\/+$/g, '')
  return folder === '' ? '' : `${folder}/`
}

import { resolve } from 'node:path'
import type { S3Access } from '../domain/grant.ts'
import { SettingsError } from './error.ts'
import type { Env } from './file.ts'
import { accessKeys, parseAccess, parsePrefix } from './s3.ts'

/** Where files and scratch lie. */
export type BlobsRoot =
  | { readonly kind: 'folder'; readonly folder: string }
  | ({ readonly kind: 's3'; readonly bucket: string; readonly prefix: string } & S3Access)

const blobsKeys = ['bucket', 'prefix', ...accessKeys]

/** The address of a place that the file describes field by field. @throws {SettingsError} */
export function addressOfBlobs(entry: Record<string, unknown>, where: string): string {
  for (const key of Object.keys(entry))
    if (!blobsKeys.includes(key))
      throw new SettingsError(`${where}: blobs on S3 have no '${key}'. They may have: ${blobsKeys.join(', ')}.`)
  const { bucket, prefix = '' } = entry
  if (typeof bucket !== 'string') throw new SettingsError(`${where}: blobs on S3 need a bucket`)
  const address = `s3://${bucket}/${parsePrefix(prefix, where, 'blobs')}`
  bucketAndPrefix(address, where)
  return address
}

/** How the place is reached: as the file says, else as the usual variables do; null: it is a folder. @throws {SettingsError} */
export function accessOfBlobs(
  address: string,
  where: string,
  entry: { readonly fields: Record<string, unknown>; readonly where: string } | null,
  env: Env,
): S3Access | null {
  if (!address.startsWith('s3:')) return null
  bucketAndPrefix(address, where)
  return entry ? parseAccess(entry.fields, entry.where, 'blobs') : usualAccess(env, where)
}

function usualAccess(env: Env, where: string): S3Access {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
    if (!env[name])
      throw new SettingsError(
        `${where}: blobs on S3 need credentials, and ${name} is not set. Set it, or say in the settings file: blobs: { bucket, prefix, endpoint, region, accessKeyId, secretAccessKey }.`,
      )
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1'
  const fields = {
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL ?? `https://s3.${region}.amazonaws.com`,
    region,
    accessKeyId: { variable: 'AWS_ACCESS_KEY_ID' },
    secretAccessKey: { variable: 'AWS_SECRET_ACCESS_KEY' },
    ...(env.AWS_SESSION_TOKEN && { sessionToken: { variable: 'AWS_SESSION_TOKEN' } }),
  }
  return parseAccess(fields, where, 'blobs')
}

/** @throws {SettingsError} */
function bucketAndPrefix(address: string, where: string): { bucket: string; prefix: string } {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9._-]{1,62})(?:\/(.*))?$/i.exec(address) ?? []
  if (bucket === undefined) throw new SettingsError(`${where}: not a place for blobs. Give s3://bucket/prefix, or a folder.`)
  return { bucket, prefix: parsePrefix(prefix, where, 'blobs') }
}

/** Where the settings have files and scratch: in the data folder, another one, or a bucket. */
export function blobsRoot(settings: {
  readonly blobs: string
  readonly data: string
  readonly blobsAccess: S3Access | null
}): BlobsRoot {
  const { blobs, data, blobsAccess } = settings
  if (!blobs.startsWith('s3:') || !blobsAccess) return { kind: 'folder', folder: resolve(blobs === '' ? data : blobs) }
  return { kind: 's3', ...bucketAndPrefix(blobs, 'blobs'), ...blobsAccess }
}

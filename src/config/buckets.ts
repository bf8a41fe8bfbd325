import { isAbsolute, resolve } from 'node:path'
import type { BucketPlace } from '../domain/grant.ts'
import { SettingsError } from './error.ts'
import { onlyKnown } from './known.ts'
import { accessKeys, parseAccess, parsePrefix } from './s3.ts'

/** A bucket of the settings, and the projects (by name or id) that may use it; null: the default project, whatever its name. */
export interface BucketEntry {
  readonly bucket: string
  readonly place: BucketPlace
  readonly projects: readonly string[] | null
}

const onS3 = [...accessKeys, 'prefix', 'read', 'write']
const bucketKeys = ['bucket', 'folder', 'projects', ...onS3]

/** `base`: where folders are found from. @throws {SettingsError} */
export function parseBucket(entry: Record<string, unknown>, where: string, base: string): BucketEntry {
  onlyKnown(entry, bucketKeys, `${where}: a bucket`)
  const { bucket, folder, endpoint, projects = null } = entry
  if (typeof bucket !== 'string' || bucket === '') throw new SettingsError(`${where}: a bucket needs a name`)
  if (projects !== null && (!Array.isArray(projects) || projects.some((name) => typeof name !== 'string')))
    throw new SettingsError(`${where}: projects must be a list of names`)
  if (folder === undefined && endpoint === undefined)
    throw new SettingsError(`${where}: bucket '${bucket}' needs a folder, or the endpoint of an S3 server`)
  const place = endpoint === undefined ? folderPlace(entry, bucket, where, base) : s3Place(entry, bucket, where)
  return { bucket, projects: projects as string[] | null, place }
}

function folderPlace(entry: Record<string, unknown>, bucket: string, where: string, base: string): BucketPlace {
  const { folder } = entry
  const strange = onS3.find((key) => key in entry)
  if (strange !== undefined)
    throw new SettingsError(
      `${where}: bucket '${bucket}' is a folder, and ${strange} is for buckets on S3, which have an endpoint`,
    )
  if (typeof folder !== 'string') throw new SettingsError(`${where}: the folder of bucket '${bucket}' must be a path`)
  return { kind: 'folder', folder: isAbsolute(folder) ? folder : resolve(base, folder) }
}

function s3Place(entry: Record<string, unknown>, bucket: string, where: string): BucketPlace {
  const what = `bucket '${bucket}'`
  const { folder, prefix, read = true, write = true } = entry
  if (folder !== undefined) throw new SettingsError(`${where}: ${what} has a folder and an endpoint: it can be in one place only`)
  if (!/^[a-z0-9*._-]+$/i.test(bucket))
    throw new SettingsError(`${where}: ${what}: not the name of a bucket, nor a pattern such as team-*`)
  if (typeof read !== 'boolean') throw new SettingsError(`${where}: ${what}: read must be true or false`)
  if (typeof write !== 'boolean') throw new SettingsError(`${where}: ${what}: write must be true or false`)
  const folderOfIt = prefix === undefined ? '' : parsePrefix(prefix, where, what)
  return {
    kind: 's3',
    ...parseAccess(entry, where, what),
    ...(folderOfIt !== '' && { prefix: folderOfIt }),
    read,
    write,
  }
}

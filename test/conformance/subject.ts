import { test as base } from 'vitest'
import { controlOf, type BackendControl } from './scripted-backend.ts'
import { openLocal } from './local.ts'
import type { Door } from './wire.ts'

/** The server under test, and what the suite knows and has around it. */
export interface Subject extends Door {
  /** The project of `key`; null: not known, what needs it is left out. */
  readonly projectId: string | null
  /** The same server as another project. */
  readonly other: (Door & { readonly projectId: string | null }) | null
  /** The scripted backend that the server sends its lines to. */
  readonly backend: BackendControl
  /** A bucket that is granted to the project and lies in a folder of this machine. */
  readonly bucket: { readonly name: string; readonly folder: string } | null
  [Symbol.asyncDispose](): Promise<void>
}

const env = process.env

/** Is the suite pointed at a server that runs already? */
export const isRemote = env.NIGHTSHIFT_BASE_URL !== undefined
export const hasSecondKey = !isRemote || env.NIGHTSHIFT_SECOND_KEY !== undefined
export const hasProjectId = !isRemote || env.NIGHTSHIFT_PROJECT_ID !== undefined
export const hasBucket = !isRemote || (env.NIGHTSHIFT_BUCKET !== undefined && env.NIGHTSHIFT_BUCKET_DIR !== undefined)
export const hasScript = !isRemote || env.NIGHTSHIFT_SIM_CONTROL !== undefined

const withoutV1 = (url: string) => url.replace(/\/+$/, '').replace(/\/v1$/, '')

function openRemote(): Subject {
  const baseUrl = withoutV1(env.NIGHTSHIFT_BASE_URL ?? '')
  const key = env.NIGHTSHIFT_API_KEY
  if (key === undefined) throw new Error('NIGHTSHIFT_BASE_URL is set: set NIGHTSHIFT_API_KEY too')
  const { NIGHTSHIFT_SECOND_KEY: second, NIGHTSHIFT_BUCKET: name, NIGHTSHIFT_BUCKET_DIR: folder } = env
  return {
    baseUrl,
    key,
    projectId: env.NIGHTSHIFT_PROJECT_ID ?? null,
    other: second === undefined ? null : { baseUrl, key: second, projectId: env.NIGHTSHIFT_SECOND_PROJECT_ID ?? null },
    backend: controlOf(env.NIGHTSHIFT_SIM_CONTROL ?? 'http://127.0.0.1:9'),
    bucket: name === undefined || folder === undefined ? null : { name, folder },
    async [Symbol.asyncDispose]() {},
  }
}

/** A check is given the subject of its file: the server of the environment, or one that is started for the file. What starts a server of its own is left out when the suite is pointed at another. */
export const test = base.extend<{ subject: Subject }>({
  subject: [
    // oxlint-disable-next-line no-empty-pattern -- vitest reads the fixtures it needs from this pattern
    async ({}, use) => {
      await using subject = isRemote ? openRemote() : await openLocal()
      await use(subject)
    },
    { scope: 'file' },
  ],
})

export { openLocal }

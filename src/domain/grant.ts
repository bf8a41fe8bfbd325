import type { ProjectId } from './ids.ts'

/** Where a secret is kept. Only that is stored and sent about; the secret itself is read when it is needed. `file` is absolute. */
export type Secret = { readonly variable: string } | { readonly file: string }

/** How an S3 server is reached. */
export interface S3Access {
  /** Scheme, host and port. */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string | Secret
  readonly secretAccessKey: Secret
  readonly sessionToken?: Secret
  /** `{endpoint}/{bucket}/{key}`; else the bucket stands before the host. */
  readonly pathStyle: boolean
}

/** A bucket on S3 as it is granted. */
export interface S3Place extends S3Access {
  readonly kind: 's3'
  /** Only keys in this folder of the bucket are granted. It ends with a slash. */
  readonly prefix?: string
  readonly read: boolean
  readonly write: boolean
}

/** Where the objects of a bucket lie and how they are reached. `folder` is absolute. */
export type BucketPlace = { readonly kind: 'folder'; readonly folder: string } | S3Place

/** The operator's word that a project may use a bucket: its name or, on S3, a pattern in which `*` stands for any characters. */
export interface Grant {
  readonly projectId: ProjectId
  readonly bucket: string
  readonly place: BucketPlace
}

/** What names the store among all stores, without a credential: with bucket and key it is unique (the `store` of a reserved output). */
export const storeOf = (place: BucketPlace): string =>
  place.kind === 'folder' ? `folder:${place.folder}` : new URL(place.endpoint).origin

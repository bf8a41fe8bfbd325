import type { ProjectId } from './ids.ts'

/** Where the objects of a bucket lie and how they are reached. `folder` is absolute. */
export type BucketPlace =
  | { readonly kind: 'folder'; readonly folder: string }
  | {
      readonly kind: 's3'
      readonly endpoint: string
      readonly region: string
      readonly accessKeyId: string
      readonly secretAccessKey: string
      /** Only keys in this folder of the bucket are granted. */
      readonly prefix?: string
      readonly read: boolean
      readonly write: boolean
      readonly pathStyle: boolean
    }

/** The operator's word that a project may use a bucket: its name or, on S3, a pattern in which `*` stands for any characters. */
export interface Grant {
  readonly projectId: ProjectId
  readonly bucket: string
  readonly place: BucketPlace
}

/** What names the store among all stores, without a credential: with bucket and key it is unique (the `store` of a reserved output). */
export const storeOf = (place: BucketPlace): string =>
  place.kind === 'folder' ? `folder:${place.folder}` : new URL(place.endpoint).origin

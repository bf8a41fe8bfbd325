import type { ShardLease } from '../domain/shard.ts'

/** What every name begins with, in the scratch and in the store of files (I14). */
export const projectPrefix = (project: string): string => `${project}/`

/** Names in the scratch: every one says the fence that wrote it. */
export const scratchPrefix = (project: string, batchId: string): string => `${projectPrefix(project)}${batchId}/`
export const planName = (project: string, batchId: string, fence: number): string =>
  `${scratchPrefix(project, batchId)}plan-${fence}`
export const segmentName = (project: string, lease: ShardLease, number: number): string =>
  `${scratchPrefix(project, lease.batchId)}${lease.number}-${lease.fence}-${number}`
/** What a shard's last segment has beyond its checkpoints, until it is composed of all of them. */
export const restName = (project: string, lease: ShardLease, number: number): string =>
  `${segmentName(project, lease, number)}-rest`

/** In the store of files: an output under the fence of the walk that wrote it. */
export const outputBlobName = (project: string, fileId: string, fence: number): string =>
  `${projectPrefix(project)}${fileId}-${fence}`

import type { DispatchSettings } from '../../src/dispatch/feed.ts'
import type { Events } from '../../src/events.ts'
import { makeEvents } from '../../src/events.ts'
import type { Log } from '../../src/kit/log.ts'
import type { WorkerParts, WorkerSettings } from '../../src/worker/parts.ts'
import type { Bug } from './bugs.ts'
import type { Chance } from '../support/chance.ts'
import type { Ledger } from './ledger.ts'
import { beginLife, type Life } from './life.ts'
import type { Profile } from './profile.ts'
import type { SimBackend } from './sim-backend.ts'
import { blobsOf, type BlobStore } from './sim-blobs.ts'
import { bucketOf, type ObjectStore } from './sim-bucket.ts'
import type { Database } from './sim-db.ts'
import type { SimTime } from './sim-time.ts'
import { webhooksOf, type Heard } from './sim-webhook.ts'
import type { Story } from './story.ts'
import { makeTrips } from './trip.ts'

/** Everything that stands outside of the processes. */
export interface World {
  readonly seed: number
  readonly time: SimTime
  readonly chance: Chance
  readonly story: Story
  readonly ledger: Ledger
  readonly database: Database
  readonly files: BlobStore
  readonly scratch: BlobStore
  readonly objects: ObjectStore
  readonly heard: Heard
  readonly backends: readonly SimBackend[]
  readonly workers: WorkerSettings
  readonly dispatch: DispatchSettings
  readonly bug: Bug | null
  /** What may go wrong now: nothing any more once the world has healed. */
  profile(): Profile
  /** What this world has drawn leaves no worker without its leases (profile.ts). */
  readonly allRenew: boolean
  readonly steady: boolean
}

type Outside = Pick<
  WorkerParts,
  'db' | 'files' | 'scratch' | 'openBucket' | 'clock' | 'log' | 'events' | 'random' | 'randomBytes' | 'webhooks'
>

/** A process of the world, and how it reaches the rest: all of it through its one life. */
export interface Process extends Outside {
  readonly life: Life
  readonly events: Events
}

const none = () => () => {}
const noMetrics = {
  counter: none,
  tally: none,
  histogram: none,
  gauge() {},
  contentType: '',
  page: async () => '',
  values: async () => [],
}

export function beginProcess(world: World, name: string): Process {
  const { time, story, profile, bug } = world
  const life = beginLife(name, time)
  const chance = world.chance.fork(name)
  const trip = makeTrips({ time, life, chance: chance.fork('trips'), story, profile })
  const parts = { life, trip, chance: chance.fork('blobs'), profile }
  const tell =
    (level: string): Log['info'] =>
    (message, fields) =>
      story.tell(name, level, message, fields)
  const log: Log = { debug: tell('-'), info: tell('-'), warn: tell('!'), error: tell('!!') }
  const blobs = (store: BlobStore) => {
    const its = blobsOf(store, parts)
    return bug?.blobs?.(its, life) ?? its
  }
  const draws = chance.fork('draws')
  const db = world.database.open(life, trip, (text) => bug?.sql?.(text) ?? text)
  return {
    life,
    db: bug?.db?.(db) ?? db,
    files: blobs(world.files),
    scratch: blobs(world.scratch),
    openBucket: (_, bucket) => bucketOf(world.objects, bucket, parts),
    clock: life.clock,
    log,
    events: makeEvents({ log, metrics: noMetrics }),
    random: () => draws.next(),
    randomBytes: (n) => draws.bytes(n),
    webhooks: webhooksOf(world.heard, life, chance.fork('webhooks'), profile),
  }
}

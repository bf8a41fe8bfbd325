/** What projects are told of their batches: OpenAI's events (contract 8), signed as Standard Webhooks says. */
import { createHmac } from 'node:crypto'
import type { ProjectId } from './ids.ts'

export const eventTypes = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const
export type EventType = (typeof eventTypes)[number]
/** Sent when somebody asks for it. */
export const testType = 'webhook.test'

export interface Webhook {
  readonly id: string
  readonly projectId: ProjectId
  readonly url: string
  /** Empty: all. */
  readonly events: readonly string[]
  /** How many secrets it has had; the last one counts, and the one before until `oldUntil`. */
  readonly secretNumber: number
  readonly oldUntil: number
  readonly createdAt: number
  readonly disabledAt: number | null
}

/** One event for one webhook. */
export interface Delivery {
  readonly webhookId: string
  readonly eventId: string
  readonly type: string
  /** The id of what it is about. */
  readonly subject: string
  readonly createdAt: number
  readonly state: 'waiting' | 'delivered' | 'failed'
  readonly attempts: number
  readonly nextAt: number
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly endedAt: number | null
}

/** How long the secret before a rotation is still signed with. */
export const oldSecretMs = 24 * 3_600_000

const s = 1000
const minute = 60 * s
const hour = 60 * minute
/** Pauses after the first, second, ... try that failed: the schedule that Standard Webhooks recommends, over more than a day. */
const pauses: readonly number[] = [5 * s, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour]

/** Milliseconds until the next try, a fifth more or less by chance; null: that was the last one. */
export function pauseAfter(attempts: number, chance: number): number | null {
  const pause = pauses[attempts - 1]
  return pause === undefined ? null : Math.round(pause * (0.8 + 0.4 * chance))
}

/** The bytes that are sent and signed. */
export const eventBody = ({
  eventId,
  type,
  subject,
  createdAt,
}: Pick<Delivery, 'eventId' | 'type' | 'subject' | 'createdAt'>): string =>
  JSON.stringify({ id: eventId, object: 'event', type, created_at: Math.floor(createdAt / 1000), data: { id: subject } })

const prefix = 'whsec_'

/** Made anew whenever it is needed, so that it stands nowhere. */
export const secretOf = (signingKey: Uint8Array, id: string, number: number): string =>
  prefix + createHmac('sha256', signingKey).update(`webhook ${id} ${number}`).digest('base64')

/** Those that count at this time, the newest first: of each signing key, since nobody knows with which one the listener's was made. */
export function secretsAt(
  signingKeys: readonly Uint8Array[],
  { id, secretNumber, oldUntil }: Webhook,
  at: number,
): readonly string[] {
  const numbers = secretNumber > 1 && at < oldUntil ? [secretNumber, secretNumber - 1] : [secretNumber]
  return signingKeys.flatMap((key) => numbers.map((number) => secretOf(key, id, number)))
}

/** Was a secret of it that still counts made before this time, as far as that can be told? The one before the newest may be older than that one. */
export const hasSecretOf = (before: number, { secretNumber, oldUntil, createdAt }: Webhook, now: number): boolean =>
  secretNumber > 1 ? oldUntil - oldSecretMs < before || now < oldUntil : createdAt < before

/** The three headers of Standard Webhooks. `at`: milliseconds. */
export function signedHeaders(
  id: string,
  body: string,
  secrets: readonly string[],
  at: number,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000))
  const signature = (secret: string) =>
    `v1,${createHmac('sha256', Buffer.from(secret.slice(prefix.length), 'base64'))
      .update(`${id}.${timestamp}.${body}`)
      .digest('base64')}`
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': secrets.map(signature).join(' ') }
}

/** Everything that happens and matters, by name: one function an event, which writes the log line and counts. Ids are in log lines only, contents in neither. */
import type { AuditEntry } from './domain/audit.ts'
import type { Batch, PlanError } from './domain/batch.ts'
import type { Outcome } from './domain/outcome.ts'
import type { ShardLease } from './domain/shard.ts'
import type { Sums, TimedBy } from './domain/usage.ts'
import type { Log } from './kit/log.ts'
import type { Metrics } from './kit/metrics.ts'

export type Events = ReturnType<typeof makeEvents>

const statusClasses = ['other', '1xx', '2xx', '3xx', '4xx', '5xx']
const msBuckets = [1, 5, 20, 100, 500, 2000, 10_000, 60_000, 600_000]

export function makeEvents({ log, metrics }: { log: Log; metrics: Metrics }) {
  const created = metrics.counter('nightshift_batches_created_total', 'Batches created', ['endpoint'])
  const ended = metrics.counter('nightshift_batches_ended_total', 'Batches that ended, by status', ['status'])
  const risks = metrics.counter('nightshift_batches_at_risk_total', 'Batches that came to be at risk of missing their windows')
  const lines = metrics.counter('nightshift_lines_total', 'Lines of ended batches, by result', ['result'])
  const tokens = metrics.counter('nightshift_tokens_total', 'Tokens of ended batches', ['kind'])
  const attempts = metrics.tally('nightshift_attempts_total', 'HTTP tries, by what they came to', ['model', 'outcome'])
  const heard = metrics.counter(
    'nightshift_audio_lines_total',
    'Lines of audio that were answered, by who told how long it plays',
    ['timed_by'],
  )
  const shards = metrics.counter('nightshift_shards_total', 'Shards, by what happened to them', ['event'])
  const troubles = metrics.counter('nightshift_troubles_total', 'Our own trouble, by kind', ['kind'])
  const swept = metrics.counter('nightshift_swept_total', 'Blobs, files and objects that the janitor removed')
  const told = metrics.counter('nightshift_webhook_tries_total', 'Tries to tell webhooks of events, by what came of them', [
    'came',
  ])
  const refused = metrics.counter('nightshift_refused_total', 'Requests without a key or a right', ['status'])
  const planMs = metrics.histogram('nightshift_plan_milliseconds', 'Time to plan a batch', msBuckets)
  const composeMs = metrics.histogram('nightshift_compose_milliseconds', 'Time to compose and publish a batch', msBuckets)
  const shardOf = (s: ShardLease) => ({ batch: s.batchId, shard: s.number, fence: s.fence })

  return {
    batchCreated(batch: Pick<Batch, 'id' | 'projectId' | 'endpoint'>) {
      created({ endpoint: batch.endpoint })
      log.info('batch created', { batch: batch.id, project: batch.projectId, endpoint: batch.endpoint })
    },
    cancelRequested(batch: string) {
      log.info('cancel requested', { batch })
    },
    batchPlanned(batch: Batch, plan: { lines: number; model: string; shards: number; ms: number }) {
      planMs(plan.ms)
      log.info('batch planned', { batch: batch.id, ...plan, ms: Math.round(plan.ms) })
    },
    batchRefused(batch: Batch, errors: readonly PlanError[]) {
      ended({ status: 'failed' })
      log.info('batch refused', { batch: batch.id, errors: errors.length, code: errors[0]?.code })
    },
    batchPublished(batch: Batch, status: string, sums: Sums, ms: number) {
      ended({ status })
      composeMs(ms)
      lines({ result: 'completed' }, sums.completed)
      lines({ result: 'failed' }, sums.failed)
      tokens({ kind: 'input' }, sums.inputTokens)
      tokens({ kind: 'output' }, sums.outputTokens)
      log.info('batch published', {
        batch: batch.id,
        status,
        total: batch.total,
        completed: sums.completed,
        failed: sums.failed,
        ms: Math.round(ms),
      })
    },
    batchAtRisk(batch: string) {
      risks()
      log.warn('a batch would miss its window at the present pace', { batch })
    },
    batchInTime(batch: string) {
      log.info('a batch would be in time again', { batch })
    },
    composeFailed(batch: Batch, error: unknown) {
      troubles({ kind: 'compose' })
      log.warn('results could not be written; trying again', { batch: batch.id, error })
    },
    shardClaimed(lease: ShardLease) {
      shards({ event: 'claimed' })
      log.debug('shard claimed', shardOf(lease))
    },
    shardDone(lease: ShardLease) {
      shards({ event: 'done' })
      log.debug('shard done', shardOf(lease))
    },
    leaseLost(lease: ShardLease) {
      shards({ event: 'lost' })
      log.warn('a lease was lost; what ran under it runs again elsewhere', shardOf(lease))
    },
    saveFailed(lease: ShardLease, error: unknown) {
      troubles({ kind: 'save' })
      log.warn('results could not be saved; trying again', { ...shardOf(lease), error })
    },
    attempted(model: string, outcome: Outcome) {
      attempts(model, outcome.kind === 'answered' ? (statusClasses[Math.floor(outcome.status / 100)] ?? 'other') : outcome.kind)
    },
    audioHeard(timedBy: TimedBy) {
      heard({ timed_by: timedBy })
    },
    backendShut(url: string, why: string) {
      log.warn('a backend takes no calls; lines wait', { backend: url, why })
    },
    backendOpen(url: string) {
      log.info('a backend takes calls again', { backend: url })
    },
    modelsTold(url: string, models: readonly string[]) {
      log.info('models discovered', { backend: url, models })
    },
    swept(count: number) {
      swept({}, count)
      log.debug('swept', { count })
    },
    expiryFailed(batch: string, error: unknown) {
      troubles({ kind: 'expiry' })
      log.warn('a result object whose time is over could not be deleted; it is tried again in an hour', { batch, error })
    },
    eventTold(
      event: { readonly eventId: string; readonly webhookId: string; readonly type: string; readonly attempts: number },
      came: 'delivered' | 'again' | 'failed',
      error: string | null,
    ) {
      told({ came })
      log.info('event told', {
        event: event.eventId,
        webhook: event.webhookId,
        type: event.type,
        attempt: event.attempts,
        came,
        error,
      })
    },
    /** NOTE: where a log is kept, this is the record that no crash shortens. */
    audited(entry: AuditEntry) {
      const { projectId: project, keyId, operation, target, address, status } = entry
      if (status >= 400) refused({ status: String(status) })
      log.info('audit', { project, keyId, operation, target, address, status }) // NOTE: `key` is what the log hides
    },
    auditFailed(error: unknown) {
      troubles({ kind: 'audit' })
      log.warn('what was done could not be written down; it is tried again with the next', { error })
    },
    requestEnded(request: { method: string; route: string; status: number; ms: number; id: string }) {
      log.info('request', { ...request, ms: Math.round(request.ms * 10) / 10 })
    },
    requestBroke(id: string, error: unknown) {
      troubles({ kind: 'request' })
      log.error('a request failed', { id, error })
    },
  }
}

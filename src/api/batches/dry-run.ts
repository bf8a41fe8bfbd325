import type { FastifyRequest } from 'fastify'
import { dayOf } from '../../domain/day.ts'
import { dryRunWire, type DryRunView } from '../../domain/dry-run.ts'
import { tooManyDryRuns } from '../../domain/errors.ts'
import { experienceOf } from '../../store/quotas.ts'
import { paceOf } from '../../store/pace.ts'
import type { ApiParts } from '../parts.ts'
import type { CreateBatchBody } from '../schemas.ts'

/** They share the planner with batches that are to run. */
const atOnce = 4

/** Checks a file as the plan of a batch would, and says what would come of it; nothing is made. It ends when the client goes. */
export function makeDryRuns({ db, clock, prices, dryRun }: ApiParts) {
  let open = 0
  return async ({ caller, body, raw }: FastifyRequest<{ Body: CreateBatchBody }>): Promise<DryRunView> => {
    if (open >= atOnce) throw tooManyDryRuns()
    open++
    const gone = new AbortController()
    const stop = () => gone.abort(new Error('the client has gone'))
    raw.socket.once('close', stop)
    try {
      const { projectId } = caller
      const run = await dryRun({ projectId, input: body.input_file_id, endpoint: body.endpoint }, gone.signal)
      const model = run.kind === 'good' ? run.model : ''
      return dryRunWire(run, {
        experience: await experienceOf(db, projectId, model),
        msPerToken: await paceOf(db, model),
        prices,
        today: dayOf(clock.now()),
      })
    } finally {
      raw.socket.off('close', stop)
      open--
    }
  }
}

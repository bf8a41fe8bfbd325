import type { Batch } from '../../domain/batch.ts'
import { dayOf } from '../../domain/day.ts'
import { batchWire } from '../../domain/wire.ts'
import type { ApiParts } from '../parts.ts'

export type BatchView = ReturnType<typeof batchWire>

/** A batch as clients see it now. */
export const batchView = ({ prices, clock }: Pick<ApiParts, 'prices' | 'clock'>, batch: Batch): BatchView =>
  batchWire(batch, prices, dayOf(clock.now()))

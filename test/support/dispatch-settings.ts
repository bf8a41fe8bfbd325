import type { BackendSettings, DispatchSettings } from '../../src/dispatch/feed.ts'

/** The defaults of the settings, for a dispatcher that is tested alone. */
export const dispatchSettings = (
  backends: readonly BackendSettings[],
  startInFlight: number,
  more: Partial<DispatchSettings> = {},
): DispatchSettings => ({
  backends,
  attempts: 5,
  backoffBaseMs: 500,
  backoffMaxMs: 60_000,
  connectTimeoutMs: 5_000,
  firstByteTimeoutMs: 600_000,
  answerTimeoutMs: 1_800_000,
  maxAnswerBytes: 1e6,
  startInFlight,
  discoverEveryMs: 60_000,
  ...more,
})

/** Why something long was told to end. Whoever aborts a signal gives a `Stopped` as its reason; whoever is aborted reads it. */
export type StopReason =
  { readonly kind: 'cancelled' } | { readonly kind: 'expired' } | { readonly kind: 'shutdown' } | { readonly kind: 'lease-lost' }

export class Stopped extends Error {
  readonly why: StopReason
  constructor(why: StopReason) {
    super(`stopped: ${why.kind}`)
    this.name = 'Stopped'
    this.why = why
  }
}

/** The reason of an aborted signal. An abort without a reason of ours is a shutdown. */
export function stopReason(signal: AbortSignal): StopReason {
  return signal.reason instanceof Stopped ? signal.reason.why : { kind: 'shutdown' }
}

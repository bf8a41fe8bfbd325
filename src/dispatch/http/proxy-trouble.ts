/** A proxy that cannot be reached, or does not lead to the backend: nothing has reached that. Its message is for an operator. */
export class ProxyTrouble extends Error {
  override readonly name = 'ProxyTrouble'
  /** The code of the error behind it, or empty. NOTE: not `code`: there are some at which undici connects again, for ever. */
  readonly reason: string

  constructor(message: string, reason: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Full jitter: uniform between 0 and min(max, base * 2^failures).
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(failures, 30))
}

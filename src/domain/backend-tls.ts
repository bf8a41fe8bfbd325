/** How a backend's TLS differs from what is usual, as PEM. */
export interface BackendTls {
  /** Authorities that may vouch for it, in the place of those that everybody knows. */
  readonly ca: string | null
  /** The certificate that is shown to it, with its key: both or neither. */
  readonly cert: string | null
  readonly key: string | null
}

/** With what a server shows who it is, as PEM: its certificate, with those that vouch for it behind it, and the key. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

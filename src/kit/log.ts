/** What a log line may carry beside its text. Never a key, a prompt or an answer. */
export type Fields = Readonly<Record<string, unknown>>

export interface Log {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

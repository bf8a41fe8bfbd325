import { pino, stdSerializers, type DestinationStream } from 'pino'
import type { Fields, Log } from './log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** JSON lines on standard error (or where it is told to). Errors are written with their causes; keys and bodies are never passed to it. */
export function pinoLog(level: LogLevel, destination?: DestinationStream): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: stdSerializers.errWithCause },
      redact: ['key', 'authorization', '*.key', '*.authorization'],
    },
    destination ?? pino.destination(2),
  )
  const write =
    (how: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: Fields = {}) =>
      logger[how](fields, message)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

import { aboveMaximum, belowMinimum, invalidType, invalidValue } from '../domain/errors.ts'

export interface PageQuery {
  readonly after?: string
  readonly limit?: string
  readonly order?: string
  readonly purpose?: string
}

/** A whole number in its bounds, or the contract's error. */
export function parseLimit(
  text: string | undefined,
  { most, otherwise, name = 'limit' }: { most: number; otherwise: number; name?: string },
): number {
  if (text === undefined) return otherwise
  if (!/^-?\d{1,15}$/.test(text)) throw invalidType(name, 'an integer', text === '' ? 'an empty string' : 'a string')
  const limit = Number(text)
  if (limit < 1) throw belowMinimum(name, 1, limit)
  if (limit > most) throw aboveMaximum(name, most, limit)
  return limit
}

export function parseOrder(text: string | undefined): 'asc' | 'desc' {
  if (text === undefined || text === 'desc') return 'desc'
  if (text === 'asc') return 'asc'
  throw invalidValue('order', text, ['asc', 'desc'])
}

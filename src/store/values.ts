/** Parameters of statements that are made for as many values as there are. */

/** `$1, $2, $3` */
export const parameters = (count: number, first = 1): string =>
  Array.from({ length: count }, (_, i) => `$${first + i}`).join(', ')

/** `($1, $2), ($3, $4)`: for lists of values of which each row has `width`, the integers at the places named cast to what PostgreSQL cannot guess. */
export const rowsOfValues = (rows: number, width: number, integers: readonly number[] = [], first = 1): string =>
  Array.from({ length: rows }, (_, r) => {
    const row = Array.from({ length: width }, (__, c) => {
      const parameter = `$${first + r * width + c}`
      return integers.includes(c) ? `cast(${parameter} as bigint)` : parameter
    })
    return `(${row.join(', ')})`
  }).join(', ')

/** Parameters of statements that are made for as many values as there are. */

/** `$1, $2, $3` */
export const parameters = (count: number, first = 1): string =>
  Array.from({ length: count }, (_, i) => `$${first + i}`).join(', ')

/**
 * The rows of a project with an id, for as many pairs as there are, each once. NOTE: by the ids alone, too: where PostgreSQL knows little of the table it would read
 * all that a project has for the pairs.
 */
export function byName(names: readonly { readonly projectId: string; readonly id: string }[]): {
  where: string
  values: string[]
} {
  const distinct = [...new Map(names.map((name) => [`${name.projectId} ${name.id}`, name])).values()]
  const { length } = distinct
  return {
    where: `(project_id, id) in (values ${rowsOfValues(length, 2)}) and id in (${parameters(length, 1 + 2 * length)})`,
    values: [...distinct.flatMap(({ projectId, id }) => [projectId, id]), ...distinct.map(({ id }) => id)],
  }
}

/** `($1, $2), ($3, $4)`: for lists of values of which each row has `width`, the integers at the places named cast to what PostgreSQL cannot guess. */
export const rowsOfValues = (rows: number, width: number, integers: readonly number[] = [], first = 1): string =>
  Array.from({ length: rows }, (_, r) => {
    const row = Array.from({ length: width }, (__, c) => {
      const parameter = `$${first + r * width + c}`
      return integers.includes(c) ? `cast(${parameter} as bigint)` : parameter
    })
    return `(${row.join(', ')})`
  }).join(', ')

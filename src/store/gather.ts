import { DbFull, DbUnavailable, type Db, type Queries } from './db.ts'

interface Waiting<A, B> {
  readonly ask: A
  readonly resolve: (answer: B) => void
  readonly reject: (error: unknown) => void
}

type Together<A, B> = (queries: Queries, asks: readonly A[]) => Promise<readonly B[]>

/**
 * Group commit: does in one transaction what is asked at about the same time. While one round is under way, what is asked gathers for the next; a lone ask waits
 * for nothing. `together` answers each ask in its place. A round that fails as a whole is done again one by one, so that an error is told to whose it is;
 * where the database is away or full, it is told to all.
 */
export const gather = <A, B>(db: Db, together: Together<A, B>, most: number): ((ask: A) => Promise<B>) =>
  inRounds((asks) => db.tx((tx) => together(tx, asks)), most)

/** The same for what only reads. What is read is as of after the asking: a round begins after all its asks. */
export const gatherReads = <A, B>(db: Queries, together: Together<A, B>, most: number): ((ask: A) => Promise<B>) =>
  inRounds((asks) => together(db, asks), most)

function inRounds<A, B>(answer: (asks: readonly A[]) => Promise<readonly B[]>, most: number): (ask: A) => Promise<B> {
  const waiting: Waiting<A, B>[] = []
  let going = false

  async function round(some: readonly Waiting<A, B>[]): Promise<void> {
    try {
      const answers = await answer(some.map(({ ask }) => ask))
      if (answers.length !== some.length) throw new Error(`${some.length} asked, ${answers.length} answered`)
      for (const [i, one] of answers.entries()) some[i]?.resolve(one)
    } catch (error) {
      if (some.length === 1 || error instanceof DbUnavailable || error instanceof DbFull)
        for (const { reject } of some) reject(error)
      else for (const one of some) await round([one])
    }
  }

  async function go(): Promise<void> {
    going = true
    while (waiting.length > 0) await round(waiting.splice(0, most))
    going = false
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      waiting.push({ ask, resolve, reject })
      if (!going) void go()
    })
}

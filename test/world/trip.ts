import type { Chance } from '../support/chance.ts'
import type { Life } from './life.ts'
import type { Profile } from './profile.ts'
import type { SimTime } from './sim-time.ts'
import type { Story } from './story.ts'

/** A call of a process to the outside: there it takes effect (or not), and the answer comes back (or not). */
export interface Errand<T> {
  /** As the story tells it. */
  readonly what: () => string
  /** Once it has taken effect. */
  readonly worthTelling?: () => boolean
  /** Does it change anything? Then its answer may be lost, and the process is likelier to die at it. */
  readonly changes: boolean
  readonly effect: () => Promise<T>
  readonly refusal: () => Error
  /** Is the other side out of reach? */
  readonly away?: () => boolean
}

export type Trip = <T>(errand: Errand<T>) => Promise<T>

export interface TripParts {
  readonly time: SimTime
  readonly life: Life
  readonly chance: Chance
  readonly story: Story
  /** What may go wrong now. */
  readonly profile: () => Profile
}

/** Every await of a process that leaves it is one of these: here it crashes, stands still, is refused, waits, or is left without an answer. */
export function makeTrips({ time, life, chance, story, profile }: TripParts): Trip {
  const pauseMs = (slowMs: number) =>
    chance.happens(0.5) ? 0 : chance.between(1, Math.max(1, Math.round(slowMs * chance.next() ** 3)))

  return <T>({ what, worthTelling = () => true, changes, effect, refusal, away = () => false }: Errand<T>) =>
    new Promise<T>((resolve, reject) => {
      if (!life.alive) return
      const p = profile()
      const weight = changes ? 1 : 0.02
      const crashes = chance.happens(p.crash * weight) && chance.pick(['before', 'after'])
      const stalls = chance.happens(p.stall * weight) && chance.pick(['before', 'after'])
      const refused = chance.happens(p.refused * (changes ? 1 : 0.3))
      const lost = changes && chance.happens(p.lost)
      /** What has left a process takes effect even if that has crashed or stands still since. */
      const onItsWay = chance.happens(0.5)
      const backMs = pauseMs(p.slowMs)

      const answer = (tell: () => void) =>
        backMs > 0 ? time.at(time.now + backMs, () => life.deliver(tell)) : life.deliver(tell)
      const refuse = (how: string) => {
        story.tell(life.name, how, what())
        answer(() => reject(refusal()))
      }
      const befall = (at: 'before' | 'after') => {
        if (!life.alive) return
        if (crashes === at) {
          story.tell(life.name, 'CRASHES', at, what())
          life.crash()
        } else if (stalls === at) {
          const ms = chance.between(200, 9000)
          story.tell(life.name, 'STANDS STILL for', ms, at, what())
          life.stall(ms)
        }
      }
      const leave = (): void => {
        befall('before')
        if (onItsWay) arrive()
        else life.deliver(arrive)
      }
      const arrive = (): void => {
        if (refused || away()) return refuse('refused:')
        effect().then(
          (value) => {
            if (changes && worthTelling()) story.tell(life.name, what())
            befall('after')
            if (lost || (changes && away())) refuse('answer lost:')
            else answer(() => resolve(value))
          },
          (error: unknown) => answer(() => reject(error)),
        )
      }
      const goMs = pauseMs(p.slowMs)
      if (goMs > 0) time.at(time.now + goMs, leave)
      else leave()
    })
}

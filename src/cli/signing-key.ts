import { resolve } from 'node:path'
import { oldSecrets, retireSigningKey, rotateSigningKey } from '../operating.ts'
import type { Settings } from '../config.ts'
import { exit, Failure, type Exit } from './failure.ts'
import { inStore } from './local-office.ts'
import type { Terminal } from './terminal.ts'

/** Secrets of webhooks that are made from now on are made with a new key; those that are there stay good until the old one is retired. */
export async function rotateKey(t: Terminal, settings: Settings): Promise<Exit> {
  inFile(settings)
  return inStore(settings, async (db) => {
    const folder = resolve(settings.data)
    if (!(await rotateSigningKey(folder)))
      throw new Failure(
        `The key before this one is not retired yet: ${stillOld(await oldSecrets(db, folder))}. Then: nightshift signing-key retire`,
      )
    return show(t, 'There is a new signing key.', await oldSecrets(db, folder))
  })
}

/** What the key before the newest has made is good no longer. */
export async function retireKey(t: Terminal, settings: Settings, isMeant: boolean): Promise<Exit> {
  inFile(settings)
  return inStore(settings, async (db) => {
    const folder = resolve(settings.data)
    const left = await oldSecrets(db, folder)
    if (left === null) throw new Failure('There is no old signing key: nothing is to be retired.')
    if (left.length > 0 && !isMeant)
      throw new Failure(`${stillOld(left)}. To end them with it all the same, say --yes.`, exit.usage)
    await retireSigningKey(folder)
    return show(t, 'The old signing key is retired.', [])
  })
}

function inFile({ signingKeys, database }: Settings): void {
  if (signingKeys.length > 0 || database !== '')
    throw new Failure(
      'The signing key of this server is NIGHTSHIFT_SIGNING_KEY: give what it is now as NIGHTSHIFT_OLD_SIGNING_KEY, a new one in its place, to all processes; and leave the old one out a day after the last webhook was rotated.',
      exit.usage,
    )
}

function show(t: Terminal, done: string, old: readonly string[] | null): Exit {
  const left = old ?? []
  if (t.json) t.out(`${JSON.stringify({ old_secrets: left }, null, 2)}\n`)
  else t.out(`${done}${left.length === 0 ? '' : ` ${stillOld(left)}. Then: nightshift signing-key retire`}\n`)
  return exit.done
}

const named = 5

const stillOld = (ids: readonly string[] | null): string =>
  ids === null || ids.length === 0
    ? 'no webhook needs it any more'
    : `${ids.length === 1 ? '1 webhook has a secret' : `${ids.length} webhooks have secrets`} of the old one (${ids.slice(0, named).join(', ')}${ids.length > named ? ', ...' : ''}): rotate each with nightshift webhooks rotate ID, and give its listener the new secret; the old one of a listener is good for a day after that`

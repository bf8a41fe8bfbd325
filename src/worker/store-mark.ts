/** Sees to it that a database and a place of files that do not belong together are not used together: every batch would fail for the want of its input. */
import { BlobMissing, type Blobs } from '../blobs/blobs.ts'
import type { Clock } from '../kit/clock.ts'
import type { Db } from '../store/db.ts'
import { findStoreMark, holdStoreMark } from '../store/store-marks.ts'

const name = 'store-mark'
const markBytes = 36
/** Another process that makes the first start may be between the row and the blob. */
const [looks, lookMs] = [10, 300]

export class StrangeFiles extends Error {
  override name = 'StrangeFiles'
}

/** Do the files belong to the database, as far as both are marked? */
export async function isStoreMarked(db: Db, files: Blobs): Promise<boolean> {
  const [there, mark] = [await readMark(files), await findStoreMark(db)]
  return mark === null || there === mark
}

/** `place`: of the files, in words. @throws {StrangeFiles} */
export async function checkStoreMark(
  {
    db,
    files,
    clock,
    newUuid,
  }: { readonly db: Db; readonly files: Blobs; readonly clock: Clock; readonly newUuid: () => string },
  place: string,
): Promise<void> {
  const before = await readMark(files)
  const proposed = before ?? newUuid()
  const mark = await holdStoreMark(db, proposed)
  if (mark === before) return
  if (mark === proposed) return void (await files.put(name, Buffer.from(mark)))
  for (let look = 0; look < looks; look++) {
    if ((await readMark(files)) === mark) return
    await clock.sleep(lookMs)
  }
  throw new StrangeFiles(
    `The files at ${place} are not those of the database. All processes on one database need one place for files: name it with --blobs. If this is the place all the same, with the files of before, put '${mark}' into its '${name}'.`,
  )
}

async function readMark(files: Blobs): Promise<string | null> {
  const bytes = await files.head(name)
  if (bytes === null) return null
  try {
    return (await files.readRange({ name, start: 0, bytes: Math.min(bytes, markBytes) })).toString()
  } catch (error) {
    if (error instanceof BlobMissing) return null
    throw error
  }
}

import { constants, getPriority, setPriority } from 'node:os'

/**
 * Lets others have the processor first where both want it (nice 10): whoever asks the API, or the database, waits for an answer, and no batch does. Does nothing
 * where whoever started the process has given it a priority, or where the system does not allow it.
 */
export function workBehindOthers(): void {
  try {
    if (getPriority() === constants.priority.PRIORITY_NORMAL) setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // NOTE: it works as well without
  }
}

import { setFlagsFromString } from 'node:v8'

/**
 * Lets V8 collect the whole heap when it has grown to two and a half times what lives. Answers lie outside of the heap and are counted with it, and where few small
 * objects are made V8 lowers its limit until a few hundred answers reach it: a quarter of the CPU went into marking. The price is memory: some 30 MB more at most where
 * a million lines run. For a process as a whole; V8 reads the flag whenever it sets a limit (src/heap/heap-controller.cc, `heap_growing_percent`).
 */
export const letHeapGrow = (): void => setFlagsFromString('--heap-growing-percent=150')

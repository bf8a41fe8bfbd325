import { fork, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Starts a process from a module, built or (in tests, where nothing is built) from its source. `module` is its path without extension, relative to `from`. */
export function startProcess(module: string, from: string): ChildProcess {
  const isSource = from.endsWith('.ts')
  const loader = () => pathToFileURL(createRequire(from).resolve('tsx')).href
  return fork(fileURLToPath(new URL(`${module}${isSource ? '.ts' : '.js'}`, from)), {
    serialization: 'advanced',
    execArgv: isSource ? ['--import', loader()] : [],
  })
}

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

/** Starts a thread from a module, built or (in tests, where nothing is built) from its source. `module` is its path without extension, relative to `from`. */
export function startThread(module: string, from: string): Worker {
  if (!from.endsWith('.ts')) return new Worker(new URL(`${module}.js`, from))
  const loader = new URL('dist/esm/api/index.mjs', pathToFileURL(createRequire(from).resolve('tsx/package.json'))).href
  const source = new URL(`${module}.ts`, from).href
  return new Worker(
    `import(${JSON.stringify(loader)}).then((tsx) => { tsx.register(); return import(${JSON.stringify(source)}) })`,
    { eval: true },
  )
}

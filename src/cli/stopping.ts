/** The first SIGINT or SIGTERM asks to stop; the second ends the process at once. */
export function onStop(): { readonly signal: AbortSignal; readonly by: () => NodeJS.Signals | null } {
  const controller = new AbortController()
  let by: NodeJS.Signals | null = null
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (by !== null) process.exit(name === 'SIGINT' ? 130 : 143)
      by = name
      controller.abort()
    })
  return { signal: controller.signal, by: () => by }
}

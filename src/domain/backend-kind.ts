/** What a backend shows of itself. */
export interface Signs {
  /** Its `server` header. */
  readonly server: string
  /** `owned_by` of its models. */
  readonly owners: readonly string[]
  /** Names of its metrics. */
  readonly metrics: readonly string[]
}

/** What begins the names of a server's metrics: as vLLM, SGLang, llama.cpp, TGI and TEI have them in their documentation. */
const prefixes = [
  ['vllm:', 'vLLM'],
  ['sglang:', 'SGLang'],
  ['llamacpp:', 'llama.cpp'],
  ['tgi_', 'TGI'],
  ['te_', 'TEI'],
] as const
const owners: Readonly<Record<string, string>> = {
  vllm: 'vLLM',
  sglang: 'SGLang',
  llamacpp: 'llama.cpp',
  openai: 'OpenAI',
  system: 'OpenAI',
}

/** The server's name, if its signs tell it. A simulator says that it is one before it says what it plays. */
export function kindOf({ server, owners: owned, metrics }: Signs): string | null {
  if (server === 'nightshift-simulator') return "Nightshift's simulator"
  const [, byMetrics = null] = prefixes.find(([prefix]) => metrics.some((name) => name.startsWith(prefix))) ?? []
  if (byMetrics !== null) return byMetrics
  if (server.toLowerCase() === 'llama.cpp') return 'llama.cpp'
  return owned.map((owner) => owners[owner.toLowerCase()]).find((name) => name !== undefined) ?? null
}

/** The metrics of a page in Prometheus' text form. A `gauge` says how it is now: how much is running and waiting, how full it is. */
export const metricsIn = (page: string): { readonly name: string; readonly type: string }[] =>
  [...page.matchAll(/^# TYPE (\S+) (\w+)\s*$/gm)].map(([, name = '', type = '']) => ({ name, type }))

/** Asked with an empty body, is an endpoint there? One that is not there has no route, no method for it, or says that it is not implemented; any other answer is a check of the body. */
export const isThere = (status: number): boolean => status !== 404 && status !== 405 && status !== 501

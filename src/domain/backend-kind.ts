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

/** Of refusals of an empty body: who may not come in, no route, no method for it, no such thing here, nobody behind the proxy. */
const notThere = new Set([401, 403, 404, 405, 501, 502, 503, 504])

/**
 * Asked with an empty body, is an endpoint there? One that is there refuses the body, with whatever status, or makes something of it, in JSON; pages to log in at and redirects
 * to them are not it. vLLM has routes for what its model cannot do, and says 400 that the model does not support it (its `serving_*.py`).
 */
export function isThere(status: number, body: string): boolean {
  if (notThere.has(status) || (status >= 300 && status < 400)) return false
  return status < 300 ? isJson(body) : !/\bdoes not support\b/i.test(body)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

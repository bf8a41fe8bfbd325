/** An OpenID provider of a package, on this machine: it gives tokens to its clients, with the claims that they are said to have. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

export interface TestIssuer extends AsyncDisposable {
  readonly url: string
  /** A token for a client that came with its secret. */
  token(client: string, audience?: string): Promise<string>
  /** How often somebody asked for its keys. */
  asked(): number
  /** Answers nobody any more. */
  stop(): Promise<void>
}

export const testAudience = 'https://night.example/'
const secret = 'of a client in a test'
const lifeS = 300

/** `claims`: of the tokens of each client, beside those that all have; `port`: else a free one. */
export async function startIssuer(claims: Readonly<Record<string, Record<string, unknown>>>): Promise<TestIssuer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(url, {
    clients: Object.keys(claims).map((client_id) => ({
      client_id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    ttl: { ClientCredentials: lifeS },
    extraTokenClaims: (_, { clientId = '' }) => claims[clientId],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, audience) => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: lifeS,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  })
  let asked = 0
  const answer = provider.callback()
  server.on('request', (request, response) => {
    if (request.url === '/jwks') asked++
    void answer(request, response)
  })
  const stop = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  return {
    url,
    asked: () => asked,
    async token(client, audience = testAudience) {
      const answered = await fetch(`${url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client}:${encodeURIComponent(secret)}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      })
      const { access_token } = (await answered.json()) as { access_token?: string }
      if (access_token === undefined) throw new Error(`the issuer gave ${client} no token: ${answered.status}`)
      return access_token
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

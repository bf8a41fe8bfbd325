const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** What OpenSSL makes of an alert (RFC 8446, 6.2) about our certificate. In TLS 1.3 it comes when the request is already under way, but nobody has looked at that. */
const refusal = /^ERR_SSL_.*_ALERT_(?:.*CERTIFICATE.*|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)$/

export const refusesUs = (code: string): boolean => refusal.test(code)

/** What the code of an error says to an operator; null: it is not one of TLS. */
export function tlsTrouble(code: string): string | null {
  if (unknownAuthority.has(code)) return `${code}: nobody known vouches for its certificate; whoever does goes into tls.ca`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${code}: its certificate is for another name`
  if (code === 'CERT_HAS_EXPIRED') return `${code}: its certificate is out of date`
  if (refusal.test(code)) return `${code}: it wants another certificate from us than tls.cert`
  return null
}

/** Why the content of an address is not to be had: a code for each, and a message that says what to do. */
export type FetchCode =
  | 'url_invalid'
  | 'url_not_allowed'
  | 'url_not_found'
  | 'url_unreachable'
  | 'url_status'
  | 'url_encoded'
  | 'url_too_large'
  | 'url_timeout'
  | 'url_too_many_redirects'
  | 'url_not_an_image'
  | 'url_too_many'

/** NOTE: messages name scheme, host and port and never more: path and query may be a secret (a pre-signed address), and where a name leads is nobody's business. */
export class FetchError extends Error {
  readonly code: FetchCode
  /** The HTTP status of the answer, with `url_status`. */
  readonly status: number | null
  constructor(code: FetchCode, message: string, status: number | null = null) {
    super(message)
    this.name = 'FetchError'
    this.code = code
    this.status = status
  }
}

const passingStatus = (status: number) => status === 408 || status === 425 || status === 429 || status >= 500

/** May it be otherwise the next time? */
export const mayPass = ({ code, status }: FetchError): boolean =>
  code === 'url_unreachable' || code === 'url_timeout' || (status !== null && passingStatus(status))

export const notFound = (what: string) =>
  new FetchError('url_not_found', `${what} cannot be found, or this project may not read it. See that it is there, and granted.`)
export const invalidAddress = (why: string) =>
  new FetchError('url_invalid', `The address cannot be read: ${why}. Give a whole address, as in 'https://example.com/name'.`)
export const invalidData = (why: string) =>
  new FetchError('url_invalid', `The data: address cannot be read: ${why}. Give it as 'data:<type>;base64,<content>'.`)
export const notAllowed = (what: string, why: string) => new FetchError('url_not_allowed', `${what} may not be fetched: ${why}.`)
export const notPublic = (what: string) =>
  notAllowed(what, 'it does not lead to the public internet. Use a public address, or ask the operator to allow this host')
/** `cause`: a code of the system or of TLS, such as ECONNREFUSED. */
export const unreachable = (what: string, cause: string) =>
  new FetchError(
    'url_unreachable',
    `${what} could not be reached (${cause}). See whether it can be opened from elsewhere, and try again.`,
  )
export const brokenOff = (what: string, cause: string) =>
  new FetchError('url_unreachable', `The connection to ${what} broke before its answer was whole (${cause}). Try again.`)
export const wrongStatus = (what: string, status: number) =>
  new FetchError(
    'url_status',
    `${what} answered ${status} where 200 was expected. See that the address is right, and still valid.`,
    status,
  )
export const encoded = (what: string) =>
  new FetchError(
    'url_encoded',
    `${what} answered with a content-encoding although none was asked for. Serve the content as it is, without compression.`,
  )
export const tooLarge = (what: string, maxBytes: number) =>
  new FetchError(
    'url_too_large',
    `${what} is too large: at most ${maxBytes} bytes are allowed. Give a smaller file, or split it.`,
  )
export const tooLate = (what: string, ms: number) =>
  new FetchError('url_timeout', `${what} was not read to its end within ${ms / 1000} s. Serve it faster, or make it smaller.`)
export const stalled = (what: string, ms: number) =>
  new FetchError(
    'url_timeout',
    `${what} sent nothing for ${ms / 1000} s. See whether it can be opened from elsewhere, and try again.`,
  )
export const tooManyRedirects = (what: string, max: number) =>
  new FetchError(
    'url_too_many_redirects',
    `${what} redirects more than ${max} times. Give the address at which the redirects end.`,
  )
export const notAnImage = () =>
  new FetchError(
    'url_not_an_image',
    'What lies at the address of an image is none: neither its first bytes nor its content-type say so. Give a PNG, JPEG, GIF, WebP or AVIF.',
  )
export const tooManyImages = (most: number) =>
  new FetchError('url_too_many', `The line names more than ${most} images. Split it.`)

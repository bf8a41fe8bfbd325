/** What an S3 server refused, told by its code. The message names what was asked, never a credential. */
export class S3Failure extends Error {
  override name = 'S3Failure'
  readonly code: string
  /** null: there was no answer. */
  readonly status: number | null
  /** Where the bucket lies, if the server said so. */
  readonly region: string | null
  constructor(code: string, status: number | null, message: string, region: string | null = null) {
    super(message)
    this.code = code
    this.status = status
    this.region = region
  }
}

export type Meaning =
  | 'no object'
  | 'no bucket'
  | 'no upload'
  /** A condition does not hold: the object is another than was said, or is there already. */
  | 'condition'
  | 'range'
  | 'region'
  | 'secret'
  | 'clock'
  | 'room'
  | 'not known'
  /** Any other refusal that would be the same the next time. */
  | 'refused'
  /** It may be otherwise the next time. */
  | 'trouble'

const meanings: Readonly<Record<string, Meaning>> = {
  NoSuchKey: 'no object',
  NotFound: 'no object',
  NoSuchVersion: 'no object',
  KeyTooLong: 'no object',
  KeyTooLongError: 'no object',
  InvalidURI: 'no object',
  XMinioInvalidObjectName: 'no object',
  NoSuchBucket: 'no bucket',
  InvalidBucketName: 'no bucket',
  NoSuchUpload: 'no upload',
  PreconditionFailed: 'condition',
  InvalidRange: 'range',
  PermanentRedirect: 'region',
  TemporaryRedirect: 'region',
  AuthorizationHeaderMalformed: 'region',
  IllegalLocationConstraintException: 'region',
  SignatureDoesNotMatch: 'secret',
  InvalidAccessKeyId: 'secret',
  InvalidToken: 'secret',
  InvalidTokenId: 'secret',
  ExpiredToken: 'secret',
  XAdminUserNotFound: 'secret',
  RequestTimeTooSkewed: 'clock',
  QuotaExceeded: 'room',
  XMinioStorageFull: 'room',
  NotImplemented: 'not known',
}

export function meaningOf({ code, status }: Pick<S3Failure, 'code' | 'status'>): Meaning {
  const known = meanings[code]
  if (known) return known
  if (status === null || status === 408 || status === 409 || status === 429) return 'trouble'
  if (status === 507) return 'room'
  if (status >= 500) return 'trouble'
  if (status >= 300 && status < 400) return 'region'
  if (status === 412) return 'condition'
  if (status === 416) return 'range'
  return 'refused'
}

/** Why a bucket cannot be used as it should, and what to do; null: it is not about the bucket. `to`: such as `read 'in.jsonl' in`. */
export function whyRefused(failure: S3Failure, to: string, bucket: string, endpoint: string): string | null {
  const saying = `S3 said ${failure.code}${failure.status === null ? '' : `, ${failure.status}`}`
  const begin = `The server cannot ${to} bucket '${bucket}'`
  switch (meaningOf(failure)) {
    case 'no bucket':
      return `${begin}: there is no such bucket at ${endpoint} (${saying}). Check its name and the endpoint of its settings.`
    case 'region':
      return `${begin}: it lies in another region${failure.region ? `, ${failure.region},` : ''} or at another address than its settings say (${saying}). Correct endpoint and region there; nothing is followed to another address.`
    case 'secret':
      return `${begin}: the credentials of its settings are not accepted (${saying}). Correct accessKeyId, secretAccessKey and, if they have one, sessionToken there.`
    case 'clock':
      return `${begin}: the clocks of the two differ too much (${saying}). Set the clock of the server.`
    case 'refused':
      return `${begin}: the right to do that is missing (${saying}). Give it to the access key of its settings; it needs GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucket, and for the server's own blobs ListBucketMultipartUploads and ListMultipartUploadParts.`
    case 'not known':
      return `${begin}: S3 at ${endpoint} does not know how (${saying}).`
    case 'no object':
    case 'no upload':
    case 'condition':
    case 'range':
    case 'room':
    case 'trouble':
      return null
  }
}

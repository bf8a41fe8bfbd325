/** What there is of S3's official client here. NOTE: imported late, as one module of ours: a bundler gives a package that is no module itself no names. */
export { S3 } from '@aws-sdk/client-s3'
export { NodeHttpHandler } from '@smithy/node-http-handler'

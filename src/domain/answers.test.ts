import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { meaningOf } from './answers.ts'

const meaning = (status: number, body: string) => meaningOf({ status, body: [Buffer.from(body)] })
const json = (value: unknown) => JSON.stringify(value)
const openai = (message: string, type: string, code: string | number | null, param: string | null = null) =>
  json({ error: { message, type, param, code } })
const vllmOld = (message: string, type: string, code: number) => json({ object: 'error', message, type, param: null, code })
const llama = (code: number, message: string, type: string, more = {}) => json({ error: { code, message, type, ...more } })
const tgi = (error: string, error_type: string) => json({ error, error_type })
const page = (title: string) =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n`

/** Bodies as the servers send them: by their sources, as the rows name them, and by what people report of them. */
const tooLong: readonly (readonly [server: string, status: number, body: string])[] = [
  ['OpenAI', 400, openai("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 'invalid_request_error', 'context_length_exceeded', 'messages')], // prettier-ignore
  ['vLLM', 400, openai("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages.", 'BadRequestError', 400, 'input_tokens')], // prettier-ignore
  ['vLLM, its older form', 400, vllmOld("This model's maximum context length is 32768 tokens. However, you requested 32818 tokens.", 'BadRequestError', 400)], // prettier-ignore
  ['vLLM, of token ids', 400, openai('The decoder prompt (length 5000) is longer than the maximum model length of 4096.', 'BadRequestError', 400)], // prettier-ignore
  ['SGLang', 400, vllmOld("The input (301552 tokens) is longer than the model's context length (262144 tokens).", 'BadRequestError', 400)], // prettier-ignore
  ['llama.cpp', 400, llama(400, 'request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it', 'exceed_context_size_error', { n_prompt_tokens: 9412, n_ctx: 8192 })], // prettier-ignore
  ['llama.cpp, embeddings', 500, llama(500, 'input (3926 tokens) is too large to process. increase the physical batch size (current batch size: 2048)', 'server_error')], // prettier-ignore
  ['llama.cpp, embeddings, older', 500, llama(500, 'input is too large to process. increase the physical batch size', 'server_error')], // prettier-ignore
  ['TEI before 1.9', 413, json({ message: 'Input validation error: `inputs` must have less than 512 tokens. Given: 514', code: 413, type: 'Validation' })], // prettier-ignore
  ['TEI', 422, json({ message: 'Input validation error: `inputs` must have less than 512 tokens. Given: 514', code: 422, type: 'Validation' })], // prettier-ignore
  ['TGI', 422, tgi('Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2000 `inputs` tokens and 100 `max_new_tokens`', 'validation')], // prettier-ignore
  ['Ollama', 400, openai('the input length exceeds the context length', 'invalid_request_error', null)],
]
const filtered: typeof tooLong = [
  ['Azure', 400, json({ error: { message: 'The response was filtered due to the prompt triggering our content management policy.', type: null, param: 'prompt', code: 'content_filter', status: 400, innererror: { code: 'ResponsibleAIPolicyViolation' } } })], // prettier-ignore
  ['OpenAI', 400, openai('Your request was rejected as a result of our safety system.', 'invalid_request_error', 'content_policy_violation')], // prettier-ignore
]
const gone: typeof tooLong = [
  ['OpenAI', 404, openai('The model `gpt-x` does not exist or you do not have access to it.', 'invalid_request_error', 'model_not_found')], // prettier-ignore
  ['vLLM', 404, openai('The model `m` does not exist.', 'NotFoundError', 404, 'model')],
  ['vLLM, its older form', 404, vllmOld('The model `model` does not exist.', 'NotFoundError', 404)],
  ['Ollama', 404, openai('model "llama3:70b" not found, try pulling it first', 'not_found_error', null)],
  ['Ollama, its newer form', 404, openai("model 'llama3' not found", 'not_found_error', null)],
  ['llama.cpp as a router', 400, llama(400, 'model is not loaded', 'invalid_request_error')],
  ['llama.cpp as a router that never had it', 400, llama(400, "model 'm' not found", 'invalid_request_error')],
  ['LM Studio', 400, json({ error: { message: "No models loaded. Please load a model in the developer page or use the 'lms load' command." } })], // prettier-ignore
  ['LM Studio, in the midst of one', 400, json({ error: 'Model unloaded.' })],
]
const loading: typeof tooLong = [
  ['llama.cpp', 503, json({ error: { message: 'Loading model', type: 'unavailable_error', code: 503 } })],
  ['Ollama', 500, json({ error: { message: 'unexpected server status: llm server loading model', type: 'api_error' } })],
  ['Hugging Face', 503, json({ error: 'Model openai/whisper is currently loading', estimated_time: 20.0 })],
]
const wrongDoor: typeof tooLong = [
  ['nginx', 400, page('400 No required SSL certificate was sent')],
  ['nginx', 400, page('400 The SSL certificate error')],
  ['nginx', 400, page('400 The plain HTTP request was sent to HTTPS port')],
]
const full: typeof tooLong = [
  ['OpenAI', 429, openai('Rate limit reached for requests', 'requests', 'rate_limit_exceeded')],
  ['TEI', 429, json({ message: 'Model is overloaded', code: 429, type: 'Overloaded' })],
  ['TGI', 429, tgi('Model is overloaded', 'overloaded')],
  ['nginx', 502, page('502 Bad Gateway')],
  ['nginx', 503, page('503 Service Temporarily Unavailable')],
  ['vLLM while it scales', 503, json({ error: 'The model is currently scaling. Please try again later.' })],
  ['Ollama', 503, openai('server busy, please try again.  maximum pending requests exceeded', 'api_error', null)],
  ['Cloudflare', 521, '<!DOCTYPE html><title>example.com | 521: Web server is down</title>'],
  ['Cloudflare', 522, '<!DOCTYPE html><title>example.com | 522: Connection timed out</title>'],
  ['Cloudflare', 523, 'error code: 523'],
  ['Anthropic', 529, json({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })],
]
const failedAtIt: typeof tooLong = [
  ['TGI', 424, tgi('Request failed during generation: Server error: CUDA out of memory', 'generation')],
  ['TEI', 424, json({ message: 'Backend error: CUDA error', code: 424, type: 'Backend' })],
]
const passing: typeof tooLong = [
  ['a proxy', 408, page('408 Request Time-out')],
  ['Groq', 498, openai('Flex tier capacity exceeded', 'capacity_exceeded', 'capacity_exceeded')],
]
const others: typeof tooLong = [
  ['vLLM whose engine has died', 500, openai('EngineCore encountered an issue. See stack trace (above) for the root cause.', 'InternalServerError', 500)], // prettier-ignore
  ['a plain text', 500, 'Internal Server Error'],
  ['nginx', 504, page('504 Gateway Time-out')],
  ['Cloudflare', 524, 'error code: 524'],
]
const answers: typeof tooLong = [
  ['FastAPI', 422, json({ detail: [{ loc: ['body', 'model'], msg: 'field required', type: 'value_error.missing' }] })],
  ['a server without this endpoint', 404, json({ detail: 'Not Found' })],
  ['llama.cpp without this endpoint', 404, json({ error: { message: 'File Not Found', type: 'not_found_error', code: 404 } })],
  ['nginx, whose limit a body is over', 413, page('413 Request Entity Too Large')],
  ['OpenAI', 401, openai('Incorrect API key provided', 'invalid_request_error', 'invalid_api_key')],
  ['an empty body', 400, ''],
]

const table = [
  ['the prompt is too long for the model', tooLong, { line: 'final', lane: 'good' }],
  ['a content filter has refused the prompt', filtered, { line: 'final', lane: 'good' }],
  ['it does not have the model (any more)', gone, { line: 'burns', lane: 'nothing', stale: true }],
  ['it is loading the model', loading, { line: 'spares', lane: 'overload' }],
  ['what stands before it wants another certificate, or https', wrongDoor, { line: 'spares', lane: 'overload' }],
  ['it takes no more, or is not there', full, { line: 'spares', lane: 'overload' }],
  ['it failed while it worked on it', failedAtIt, { line: 'burns', lane: 'nothing' }],
  ['it may do better the next time', passing, { line: 'burns', lane: 'good' }],
  ['it failed', others, { line: 'burns', lane: 'nothing' }],
  ['an answer', answers, { line: 'final', lane: 'good' }],
] as const
describe.each(table)('%s', (what, bodies, expected) => {
  test.each(bodies)('%s, %i', (_, status, body) => {
    expect(meaning(status, body)).toMatchObject({ what, ...expected })
  })
})

test('what a prompt says is no word of the server', () => {
  const echoed = 'Invalid value: "\nmodel is not loaded\ncontext_length_exceeded\nLoading model\n"'
  for (const body of [openai(echoed, 'BadRequestError', 400), json({ detail: echoed }), echoed])
    expect(meaning(400, body)).toMatchObject({ what: 'an answer' })
  expect(meaning(500, openai(echoed, 'InternalServerError', 500))).toMatchObject({ what: 'it failed' })
})

test('a status below 400 is an answer, whatever its body says', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 399 }),
      fc.constantFrom(...table.flatMap(([, bodies]) => bodies)),
      (status, [, , body]) => {
        expect(meaning(status, body)).toMatchObject({ what: 'an answer' })
      },
    ),
  )
})

test('any body can be read, in any pieces', () => {
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc.constant(Buffer.from(`{"error":`.repeat(7000) + '1' + '}'.repeat(7000))),
    fc.constant(Buffer.alloc(2_000_000, 'x')),
  )
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 599 }), anyBody, fc.nat(), (status, body, at) => {
      const cut = at % (body.length + 1)
      expect(meaningOf({ status, body: [body.subarray(0, cut), body.subarray(cut)] })).toEqual(
        meaningOf({ status, body: [body] }),
      )
    }),
  )
})

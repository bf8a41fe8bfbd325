import { errorText } from './error-text.ts'
import type { Answered } from './outcome.ts'

/** What an answer means: one row of the table below. */
export interface Meaning {
  /** In words for an operator. */
  readonly what: string
  /** final: it is the line's result · burns: the line is sent again, as often as its attempts allow · spares: it is sent again, nothing was tried */
  readonly line: 'final' | 'burns' | 'spares'
  /** What it says about the room that the lane has. */
  readonly lane: 'good' | 'overload' | 'nothing'
  /** The backend's list of models may have changed. */
  readonly stale?: boolean
}

interface Row extends Meaning {
  readonly statuses: readonly number[]
  /** Of a line of what the body says (`errorText`); by default whatever it says. */
  readonly says?: RegExp
}

/** The first row that fits counts. What they say stands in the servers' sources and documentation, as named; `answers.test.ts` has the bodies. */
const rows: readonly Row[] = [
  {
    what: 'the prompt is too long for the model',
    // OpenAI: code context_length_exceeded (platform.openai.com/docs/guides/error-codes)
    // vLLM: vllm/renderers/params.py, vllm/entrypoints/openai/serving_engine.py · SGLang: srt/managers/tokenizer_manager.py
    // llama.cpp: tools/server/server-context.cpp; of embeddings a 500, which would never succeed
    // TEI: core/src/tokenization.rs (413 before 1.9, 422 since) · TGI: router/src/validation.rs · Ollama: llm/llama_server.go
    statuses: [400, 413, 422, 500],
    says: /^context_length_exceeded$|^exceed_context_size_error$|maximum (?:context|model) length|model's context length|^the input length exceeds the context length|^Input validation error: `inputs` (?:must have less than|tokens \+)|^input (?:\(\d+ tokens\) )?is (?:too large to process|larger than the max context size)/m,
    line: 'final',
    lane: 'good',
  },
  {
    what: 'a content filter has refused the prompt',
    // Azure: learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter · OpenAI: code content_policy_violation. (One that stops an answer is a 200 with a finish_reason.)
    statuses: [400],
    says: /^content_filter$|^content_policy_violation$|^ResponsibleAIPolicyViolation$/m,
    line: 'final',
    lane: 'good',
  },
  {
    what: 'it does not have the model (any more)',
    // OpenAI: code model_not_found · vLLM: serving_models.py, also for a LoRA that was unloaded · Ollama: server/routes.go
    // llama.cpp as a router: tools/server/server-models.cpp, a 400 · LM Studio: a 400 (lmstudio-ai/lmstudio-bug-tracker)
    statuses: [400, 404],
    says: /^model_not_found$|^The model `.*` does not exist|^model ['"].*['"] not found|^model is not loaded$|^No models loaded\.|^Model (?:is )?unloaded\.?$/im,
    line: 'burns',
    lane: 'nothing',
    stale: true,
  },
  {
    what: 'it is loading the model',
    // llama.cpp: tools/server/server-http.cpp · Ollama: llm/llama_server.go, a 500
    // Hugging Face: huggingface.co/docs/api-inference, "Model ... is currently loading"
    statuses: [500, 503],
    says: /^Loading model$|llm server loading model$|^Model .* is currently loading/im,
    line: 'spares',
    lane: 'overload',
  },
  {
    what: 'what stands before it wants another certificate, or https',
    // nginx: src/http/ngx_http_special_response.c (its own 495, 496 and 497 go out as 400)
    statuses: [400],
    says: /<title>400 (?:The SSL certificate error|No required SSL certificate was sent|The plain HTTP request was sent to HTTPS port)<\/title>/,
    line: 'spares',
    lane: 'overload',
  },
  {
    what: 'it takes no more, or is not there',
    // 429, 502, 503: RFC 6585, RFC 9110; TGI and TEI (router: Overloaded) and Ollama (server/sched.go) mean just that
    // 521 to 523: Cloudflare, the backend is away (developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors)
    // 529: Anthropic, overloaded_error (docs.anthropic.com/en/api/errors)
    statuses: [429, 502, 503, 521, 522, 523, 529],
    line: 'spares',
    lane: 'overload',
  },
  {
    what: 'it failed while it worked on it',
    // TGI: router/src/server.rs, InferError::GenerationError · TEI: router/src/http/server.rs, ErrorType::Backend
    statuses: [424],
    line: 'burns',
    lane: 'nothing',
  },
  {
    what: 'it may do better the next time',
    // RFC 9110 (408, 409), RFC 8470 (425) · 498: Groq, no capacity in its flex tier (console.groq.com/docs/flex-processing)
    statuses: [408, 409, 425, 498],
    line: 'burns',
    lane: 'good',
  },
]
const failed: Meaning = { what: 'it failed', line: 'burns', lane: 'nothing' }
const answered: Meaning = { what: 'an answer', line: 'final', lane: 'good' }

export function meaningOf({ status, body }: Pick<Answered, 'status' | 'body'>): Meaning {
  if (status < 400) return answered
  let text: string | undefined
  const row = rows.find(
    ({ statuses, says }) => statuses.includes(status) && (says === undefined || says.test((text ??= errorText(body)))),
  )
  return row ?? (status >= 500 ? failed : answered)
}

/** What the scripted backend answers to a line: a function of the request alone, so that a test can say which bytes must stand in the result. */
export function answerTo(path: string, body: Record<string, unknown>): string {
  const prompt = promptOf(body)
  const model = JSON.stringify(body.model)
  const echo = JSON.stringify(`echo: ${prompt}`)
  const { input, output } = tokensOf(prompt)
  const chatUsage = `{"prompt_tokens":${input},"completion_tokens":${output},"total_tokens":${input + output},"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}`
  switch (path) {
    case '/v1/embeddings':
      return `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,1e-7]}],"model":${model},"usage":{"prompt_tokens":${input},"total_tokens":${input}}}`
    case '/v1/responses':
      return `{"id":"resp_1","object":"response","created_at":1763800000,"status":"completed","model":${model},"output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":${echo},"annotations":[]}]}],"usage":{"input_tokens":${input},"input_tokens_details":{"cached_tokens":1},"output_tokens":${output},"output_tokens_details":{"reasoning_tokens":2},"total_tokens":${input + output}}}`
    case '/v1/audio/transcriptions': {
      const { name, type, size } = body.file as { name: string; type: string; size: number }
      const heard = `heard ${size} bytes of ${type} in ${name}`
      return body.response_format === 'text' ? `${heard}\n` : JSON.stringify({ text: heard, language: body.language })
    }
    case '/v1/completions':
      return `{"id":"cmpl-1","object":"text_completion","created":1763800000,"model":${model},"choices":[{"index":0,"text":${echo},"logprobs":null,"finish_reason":"stop"}],"usage":${chatUsage}}`
    default:
      // Spaces, an integer beyond 2^53, a number form and null fields that a parser would not give back as they are.
      return `{ "id":"chatcmpl-1","object":"chat.completion","created":1763800000,"model":${model},"choices":[{"index":0,"message":{"role":"assistant","content":${echo}},"finish_reason":"stop"}],"usage":${chatUsage},"prompt_logprobs":null,"kv_transfer_params":null,"big":12345678901234567890,"form":1.0e+2 }`
  }
}

export const tokensOf = (prompt: string) => ({ input: prompt.length, output: 5 })

/** The text that a line asks about: the last message, `input` or `prompt`. */
export function promptOf(body: Record<string, unknown>): string {
  const { messages, input, prompt } = body as { messages?: { content?: unknown }[]; input?: unknown; prompt?: unknown }
  const said = messages?.at(-1)?.content ?? input ?? prompt ?? ''
  return typeof said === 'string' ? said : JSON.stringify(said)
}

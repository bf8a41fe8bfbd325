/** A form as the body of a request: its fields, how long its file plays and how many bytes that has. null: it is no form with a file. */
export async function bodyOfForm(bytes: Buffer, contentType: string): Promise<Record<string, unknown> | null> {
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } })
    .formData()
    .catch(() => null)
  const file = form?.get('file')
  if (!form || typeof file !== 'object' || file === null) return null
  const fields = [...form].filter(([, value]) => typeof value === 'string')
  const { audioSeconds } = await import('../audio/duration.ts') // NOTE: late: who sends no audio need not wait for the parsers
  const seconds = await audioSeconds(chunksOf(Buffer.from(await file.arrayBuffer())), file.size)
  return { ...Object.fromEntries(fields), file: file.size, seconds: seconds ?? 0 }
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** What was said, in the form that was asked for: an object, or a text. */
export function heardAs(format: unknown, text: string, seconds: number): Record<string, unknown> | string {
  const end = new Date(seconds * 1000).toISOString().slice(11, 23)
  switch (format) {
    case 'text':
      return `${text}\n`
    case 'srt':
      return `1\n00:00:00,000 --> ${end.replace('.', ',')}\n${text}\n`
    case 'vtt':
      return `WEBVTT\n\n00:00:00.000 --> ${end}\n${text}\n`
    case 'verbose_json':
      return {
        task: 'transcribe',
        language: 'english',
        duration: seconds,
        text,
        segments: [{ id: 0, start: 0, end: seconds, text }],
      }
    default:
      return { text, usage: { type: 'duration', seconds: Math.ceil(seconds) } }
  }
}

import { toldType, wordsOf } from './media-type.ts'

/** A kind of audio file: its media type, and how names of it end. */
export interface AudioKind {
  readonly type: string
  readonly ending: string
}

const kinds = {
  wav: { type: 'audio/wav', ending: '.wav' },
  flac: { type: 'audio/flac', ending: '.flac' },
  ogg: { type: 'audio/ogg', ending: '.ogg' },
  m4a: { type: 'audio/mp4', ending: '.m4a' },
  webm: { type: 'audio/webm', ending: '.webm' },
  mp3: { type: 'audio/mpeg', ending: '.mp3' },
} as const satisfies Record<string, AudioKind>

/** How names of audio files end that OpenAI's API takes, and a few that are as common: backends go by them. */
const endsAsAudio = /\.(wav|flac|ogg|oga|opus|m4a|mp4|aac|webm|mkv|mp3|mpga|mpeg|mpg|amr|wma|aiff?|mov|3gp)$/i

/** The synchronization word of MPEG audio, but for layer I, which nobody has and with which text in UTF-16 begins. */
const isMpegAudio = ([first, second = 0]: Uint8Array): boolean => first === 0xff && (second & 0xe0) === 0xe0 && second < 0xfe

/** By the first bytes of a file: name and type are what somebody says. Tags (ID3v2) stand before an mp3; null: none of these. */
export function audioKindOf(head: Buffer): (typeof kinds)[keyof typeof kinds] | null {
  const [four, next, last] = wordsOf(head)
  if (four === 'RIFF' && last === 'WAVE') return kinds.wav
  if (four === 'fLaC') return kinds.flac
  if (four === 'OggS') return kinds.ogg
  if (next === 'ftyp') return kinds.m4a
  if (four === '\u001aE\u00df\u00a3') return kinds.webm
  return four?.startsWith('ID3') || isMpegAudio(head) ? kinds.mp3 : null
}

/** What a part of a form says of a file: a name that ends as its kind does where the given one ends in no kind of audio, and a type. What is not known is not made up. */
export function describeAudio(
  { name, contentType }: { readonly name: string | null; readonly contentType: string | null },
  head: Buffer,
): { readonly name: string; readonly type: string } {
  const kind = audioKindOf(head)
  const told = toldType(contentType, ['audio', 'video'])
  const ending = kind?.ending ?? Object.values(kinds).find(({ type }) => type === told)?.ending ?? ''
  const isWhole = name !== null && endsAsAudio.test(name)
  return { name: isWhole ? name : `${name ?? 'audio'}${ending}`, type: told ?? kind?.type ?? 'application/octet-stream' }
}

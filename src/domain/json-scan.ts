/**
 * Reads JSON as bytes: decides whether it is JSON exactly as `JSON.parse` would after UTF-8 decoding, and tells where the members of the outermost object, and
 * of objects within it, stand, so that a value can be cut out as it was written. One pass, no recursion: depth is a counter, and one bit a level says whether
 * it is an object or an array. NOTE: all scans share the memory of these bits, so a visitor must not scan.
 */
export interface Visitor {
  /** A key at depth 1 (of the outermost object) or 2 (of an object that is a member of it): where it stands, quotes included. */
  key(depth: number, start: number, end: number): void
  /** The value of the last key at that depth. */
  value(depth: number, start: number, end: number): void
}

export type Scanned = 'object' | 'other' | 'invalid'

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openObject = 0x7b
const closeObject = 0x7d
const openArray = 0x5b
const closeArray = 0x5d
const minus = 0x2d

const levels = new Uint8Array(64)

/** Is what stands in `bytes` from `start` to `end` one JSON value, and is it an object? The bytes must be UTF-8: that is checked by the caller. */
export function scanJson(bytes: Uint8Array, start: number, end: number, visitor: Visitor): Scanned {
  let at = start
  let depth = 0
  let isObject: Uint8Array = levels
  let value1 = 0
  let value2 = 0
  let kind: Scanned = 'other'

  value: for (;;) {
    at = skipSpace(bytes, at, end)
    if (at >= end) return 'invalid'
    const c = bytes[at]
    let entersObject = false
    if (c === quote) at = skipString(bytes, at, end)
    else if (c === openObject || c === openArray) {
      if (depth === 0 && c === openObject) kind = 'object'
      if (++depth === isObject.length) isObject = grown(isObject)
      isObject[depth] = c === openObject ? 1 : 0
      at = skipSpace(bytes, at + 1, end)
      if (bytes[at] === (c === openObject ? closeObject : closeArray) && at < end) {
        depth--
        at++
      } else if (c === openArray) continue
      else entersObject = true
    } else if (c !== undefined && beginsNumber(c)) {
      if (depth > 0 && isObject[depth] === 0 && end - at > listBytes) at = skipList(bytes, at, end)
      at = skipNumber(bytes, at, end)
    } else at = skipWord(bytes, at, end)
    if (at < 0) return 'invalid'

    for (;;) {
      if (!entersObject) {
        if (depth === 0) return skipSpace(bytes, at, end) === end ? kind : 'invalid'
        if (depth === 1 && kind === 'object') visitor.value(1, value1, at)
        else if (depth === 2 && isObject[2] === 1 && isObject[1] === 1) visitor.value(2, value2, at)
        at = skipSpace(bytes, at, end)
        if (at >= end) return 'invalid'
        const close = isObject[depth] === 1 ? closeObject : closeArray
        if (bytes[at] === close) {
          depth--
          at++
          continue
        }
        if (bytes[at] !== comma) return 'invalid'
        at++
        if (isObject[depth] === 0) continue value
        at = skipSpace(bytes, at, end)
      }
      if (at >= end || bytes[at] !== quote) return 'invalid'
      const keyStart = at
      at = skipString(bytes, at, end)
      if (at < 0) return 'invalid'
      const keyEnd = at
      at = skipSpace(bytes, at, end)
      if (at >= end || bytes[at] !== colon) return 'invalid'
      at = skipSpace(bytes, at + 1, end)
      if (depth === 1) {
        visitor.key(1, keyStart, keyEnd)
        value1 = at
      } else if (depth === 2 && isObject[1] === 1) {
        visitor.key(2, keyStart, keyEnd)
        value2 = at
      }
      continue value
    }
  }
}

function grown(full: Uint8Array): Uint8Array {
  const more = new Uint8Array(full.length * 4)
  more.set(full)
  return more
}

export function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  for (; at < end; at++) {
    const c = bytes[at]
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) break
  }
  return at
}

/** Of a byte within a string: 1 where it stands for itself, 0 for the quote, the backslash and what must be escaped. */
const plain = Uint8Array.from({ length: 256 }, (_, c) => (c === quote || c === backslash || c < 0x20 ? 0 : 1))

/** Past the closing quote, or -1. */
export function skipString(bytes: Uint8Array, start: number, end: number): number {
  const near = Math.min(end, start + nearBytes)
  let at = start + 1
  for (; at < near; at++) {
    const c = bytes[at] ?? 0
    if (plain[c] === 1) continue
    if (c === quote) return at + 1
    if (c !== backslash) return -1
    at = skipEscape(bytes, at + 1, end)
    if (at < 0) return -1
  }
  return at < end ? skipLong(bytes, at, end) : -1
}

/** A string that is not over by then is long: its bytes are looked at four at a time. */
const nearBytes = 256

/** The rest of a long string. */
function skipLong(bytes: Uint8Array, start: number, end: number): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = start; at < end; at++) {
    while (at + 4 < end && arePlain(words.getInt32(at))) at += 4
    const c = bytes[at] ?? 0
    if (plain[c] === 1) continue
    if (c === quote) return at + 1
    if (c !== backslash) return -1
    at = skipEscape(bytes, at + 1, end)
    if (at < 0) return -1
  }
  return -1
}

/** Of a word, the bytes that are zero are those of which this leaves the top bit ("Bit Twiddling Hacks", determine if a word has a zero byte). */
const zeroes = (word: number): number => (word - 0x01010101) & ~word & 0x80808080
/** None of its four bytes is below 0x20, the quote or the backslash. */
const arePlain = (word: number): boolean =>
  (((word - 0x20202020) & ~word & 0x80808080) | zeroes(word ^ 0x22222222) | zeroes(word ^ 0x5c5c5c5c)) === 0

/** `at` is behind the backslash; gives the last byte of the escape, or -1. A lone surrogate is as good as any (JSON.parse takes it). */
function skipEscape(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1
  switch (bytes[at] ?? 0) {
    case quote:
    case backslash:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return at
    case 0x75:
      for (let i = 1; i <= 4; i++) if (at + i >= end || !isHex(bytes[at + i] ?? 0)) return -1
      return at + 4
    default:
      return -1
  }
}

const isHex = (c: number): boolean => (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66)

/** Past the digits from `at` on. */
function skipDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  for (; at < end; at++) {
    const c = bytes[at] ?? 0
    if (c < 0x30 || c > 0x39) break
  }
  return at
}

/** Past the number, or -1 (RFC 8259, 6: no leading zero, digits on both sides of a point). */
function skipNumber(bytes: Uint8Array, start: number, end: number): number {
  let from = bytes[start] === minus ? start + 1 : start
  let at = from < end && bytes[from] === 0x30 ? from + 1 : skipDigits(bytes, from, end)
  if (at === from) return -1
  if (at < end && bytes[at] === 0x2e) {
    from = at + 1
    at = skipDigits(bytes, from, end)
    if (at === from) return -1
  }
  if (at < end && (bytes[at] === 0x65 || bytes[at] === 0x45)) {
    from = at + 1
    if (from < end && (bytes[from] === 0x2b || bytes[from] === minus)) from++
    at = skipDigits(bytes, from, end)
    if (at === from) return -1
  }
  return at
}

/** With so much to come, a number in an array may be one of a long list. */
const listBytes = 1024

/** Of a list of numbers without white space: where the last of them begins, or an earlier one that is followed by something else. */
function skipList(bytes: Uint8Array, start: number, end: number): number {
  const fours = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = start; ;) {
    let next = skipDecimal(bytes, fours, at, end)
    if (bytes[next] !== comma) next = skipNumber(bytes, at, end)
    if (next < 0 || next + 1 >= end || bytes[next] !== comma || !beginsNumber(bytes[next + 1] ?? 0)) return at
    at = next + 1
  }
}

const beginsNumber = (c: number): boolean => c === minus || (c >= 0x30 && c <= 0x39)

/** "0." */
const zeroPoint = 0x302e

/**
 * Past a number without an exponent, the digits behind its point looked at eight at a time. Of another, and of what stands near the end, it gives -1 or a place
 * within it, where no comma is. Signs and lengths come by chance in a list of floats, so that each branch on them is foretold wrongly half of the time.
 */
function skipDecimal(bytes: Uint8Array, fours: DataView, start: number, end: number): number {
  if (end - start < 8) return -1
  const first = start + Number(bytes[start] === minus)
  let at = first + 2
  if (fours.getInt16(first) !== zeroPoint) {
    const point = bytes[first] === 0x30 ? first + 1 : skipDigits(bytes, first, end)
    if (point === first) return -1
    if (bytes[point] !== 0x2e) return point
    at = point + 1
  }
  const fraction = at
  for (; at + 8 <= end; at += 8) {
    const others = otherThanDigits(fours.getInt32(at))
    const next = otherThanDigits(fours.getInt32(at + 4))
    if ((others | next) === 0) continue
    at += others === 0 ? 4 + (Math.clz32(next) >>> 3) : Math.clz32(others) >>> 3
    break
  }
  return at === fraction ? -1 : at
}

/** Of a word, the top bit of each byte that is not a digit, and of a 9 before one that is not ASCII. */
const otherThanDigits = (word: number): number => {
  const value = word ^ 0x30303030
  return ((value + 0x76767676) | value) & 0x80808080
}

const words = ['true', 'false', 'null'].map((w) => Uint8Array.from(w, (c) => c.charCodeAt(0)))

function skipWord(bytes: Uint8Array, start: number, end: number): number {
  for (const word of words)
    if (start + word.length <= end && word.every((c, i) => bytes[start + i] === c)) return start + word.length
  return -1
}

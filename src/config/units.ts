const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}
const timeUnits: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

const withUnit = (text: string, units: Readonly<Record<string, number>>): number | null => {
  const [, number = '', unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text) ?? []
  const factor = units[unit]
  return number === '' || factor === undefined ? null : Math.round(Number(number) * factor)
}

/** `200MB`, `8MiB`, `1024` -> bytes; null if it is none of these. */
export const parseBytes = (text: string): number | null => withUnit(text, byteUnits)
/** `10s`, `24h`, `250` (ms) -> milliseconds; null if it is none of these. */
export const parseTime = (text: string): number | null => withUnit(text, timeUnits)

const format = (value: number, units: readonly (readonly [string, number])[]): string => {
  const [unit, factor] = units.find(([, f]) => value >= f && value % f === 0) ?? ['', 1]
  return `${value / factor}${unit}`
}
export const formatBytes = (bytes: number): string =>
  format(bytes, [
    ['TB', 1e12],
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ])
export const formatTime = (ms: number): string =>
  format(ms, [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ])

/** Figures as people read them: three significant digits at most, in the unit that fits. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

const threeDigits = (value: number): string => {
  if (value >= 100) return value.toFixed(0)
  return String(Number(value.toFixed(value >= 10 ? 1 : 2)))
}

/** `17 B`, `1.5 KiB`, `312 MiB`. */
export const humanBytes = (bytes: number): string => {
  let value = bytes
  let unit = 0
  // 999.5 would round to the four digits of 1000.
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : threeDigits(value)} ${BYTE_UNITS[unit]}`
}

/** `0.42ms`, `17ms`, `3.2s`, `4m 12s`, `2h 5m`. */
export const humanDuration = (ms: number): string => {
  if (ms < 999.5) return `${threeDigits(ms)}ms`
  if (ms < 59_950) return `${threeDigits(ms / 1000)}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`
}

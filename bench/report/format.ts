/** How figures are written. */

/** Three digits that mean something: 0.23, 13.3, 456, 78200. */
export const formatNumber = (value: number): string => {
  const size = Math.abs(value)
  if (size >= 1000) return String(Math.round(value / 100) * 100)
  if (size >= 100) return value.toFixed(0)
  return value.toFixed(size >= 10 ? 1 : 2)
}

export const formatRatio = (ratio: number): string => `${ratio.toFixed(2)}×`

/** A figure and, unless it is the one to compare with, its ratio. */
export const formatCell = (
  value: number | undefined,
  ratio: number | undefined,
  isBaseline: boolean,
): string => {
  if (value === undefined) return '-'
  const text = formatNumber(value)
  return ratio === undefined || isBaseline ? text : `${text} (${formatRatio(ratio)})`
}

/**
 * What redaction has to do, by JavaScript's own regular expressions and no cleverness: every piece of the text is tried against every rule.
 * Shares nothing with the engine.
 */

import type { RedactRule } from '../../../src/core/redact/redaction.js'

export const byDefinition = (rules: readonly RedactRule[], text: string, mask = '*'): string => {
  const isMasked = new Array<boolean>(text.length).fill(false)
  for (const { pattern, after, ignoreCase } of rules) {
    const flags = ignoreCase ? 'i' : ''
    const whole = new RegExp(`^(?:${pattern})$`, flags)
    const before = after === null ? null : new RegExp(`^(?:${after})$`, flags)
    for (let from = 0; from < text.length; from += 1) {
      if (before !== null && !endsWithMatch(before, text.slice(0, from))) continue
      for (let to = from + 1; to <= text.length; to += 1) {
        if (whole.test(text.slice(from, to))) isMasked.fill(true, from, to)
      }
    }
  }
  return Array.from(text, (char, index) => (isMasked[index] ? mask : char)).join('')
}

const endsWithMatch = (whole: RegExp, text: string): boolean => {
  for (let from = 0; from < text.length; from += 1) if (whole.test(text.slice(from))) return true
  return false
}

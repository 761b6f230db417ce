const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i

/**
 * A URL as it may be shown: without its user, password and options. Where it is not sure what of it is a password (one with `/`, `?` or `#` in it
 * that should have been written as `%2F`, …), nothing but its scheme is; text that is no URL is not shown at all.
 */
export const safeUrl = (text: string): string => {
  const scheme = SCHEME.exec(text)?.[0]
  if (scheme === undefined) return 'a URL'
  const rest = text.slice(scheme.length)
  const at = rest.lastIndexOf('@')
  if (/[/?#]/.test(rest.slice(0, at + 1))) return `${scheme}…`
  return scheme + rest.slice(at + 1).replace(/[?#].*$/s, '')
}

/** Text that is meant as a URL, in place of a path. */
export const looksLikeUrl = (text: string): boolean => SCHEME.test(text)

/** A URL as it may be shown: without its password, and without its options, which may hold one. Text that is no URL is not shown at all. */
export const safeUrl = (text: string): string => {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#@]*)(\/[^?#]*)?/i.exec(text)
  return match === null ? 'a URL' : `${match[1]}://${match[2]}${match[3] ?? ''}`
}

/** Which sinks a URL can name. */

export const SINK_SCHEMES = ['postgres', 'postgresql'] as const

export type SinkScheme = (typeof SINK_SCHEMES)[number]

/** Null for any other. */
export const sinkSchemeOf = (url: string): SinkScheme | null =>
  SINK_SCHEMES.find((scheme) => url.startsWith(`${scheme}://`)) ?? null

/** The sinks that a URL can name. Each is loaded when it is first asked for: it may need a package that is not installed. */

import { type SinkScheme, sinkSchemeOf } from '../../core/record/delivery/sink-url.js'
import { TidegateError } from '../../errors.js'
import type { Sink } from '../../ports/sink.js'

const postgres = async (url: string): Promise<Sink> => {
  const { openPostgresSink } = await import('../../sinks/postgres/postgres-sink.js')
  return openPostgresSink(url)
}

const BY_SCHEME: Readonly<Record<SinkScheme, (url: string) => Promise<Sink>>> = {
  postgres,
  postgresql: postgres,
}

/** As {@link openSink} finds out, without loading any package. @throws TidegateError (rejects) `value_invalid` */
export const checkSinkUrl = async (url: string): Promise<void> => {
  const { parsePostgresUrl } = await import('../../postgres/url.js')
  if (sinkSchemeOf(url) !== null) parsePostgresUrl(url)
}

/** Not opened yet. @throws TidegateError (rejects): there is no such sink, or what it needs is not installed. */
export const openSink = async (url: string): Promise<Sink> => {
  const scheme = sinkSchemeOf(url)
  if (scheme === null)
    throw new TidegateError('value_invalid', 'no sink is known for that URL', { fault: 'usage' })
  return BY_SCHEME[scheme](url)
}

/** What `verify` would find in a recording, in this process. */

import { expect } from 'vitest'
import { createVerifier, type Finding } from '../../src/core/inspect/verify.js'
import { openRecording } from '../../src/recording.js'

/** One word each; nothing: it is sound. */
export const findingsOf = async (place: string): Promise<readonly string[]> => {
  const recording = await openRecording(place)
  const verifier = createVerifier(true)
  const found: string[] = []
  const note = (findings: Iterable<Finding>): void => {
    for (const { kind } of findings) found.push(kind)
  }
  for await (const event of recording.events((record) => note(verifier.inspect(record))))
    note(verifier.push(event))
  note(verifier.end())
  expect(verifier.totals.withLedger + verifier.totals.unfinished).toBe(
    verifier.totals.connections.connections,
  )
  return found
}

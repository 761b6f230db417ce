/** JSON Lines: one object per event, the shape of {@link EventJson}, payloads in base64. */

import type { ConversationEvent } from '../conversation.js'
import { eventJson } from '../inspect/json.js'
import { type ConversationEncoder, NOTHING } from './encoder.js'

const UTF8 = new TextEncoder()

/** @param base64 encodes a payload; given by the shell, which has a fast one. */
export const createJsonLinesEncoder = (base64: (bytes: Uint8Array) => string): ConversationEncoder => ({
  start: () => NOTHING,
  push: (event: ConversationEvent) => [UTF8.encode(`${JSON.stringify(eventJson(event, base64))}\n`)],
})

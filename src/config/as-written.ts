/**
 * Readers of an input that is not yet checked, for the problems that only show across fields: what can be understood is
 * read, what cannot is left to the schema to report.
 */

import { type Address, formatAddress } from '../core/address.js'
import type { PlacedReaders } from './paths.js'
import { parseDuration } from './units.js'

export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A mapping's own fields; none where there is no mapping. */
export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})

export const addressOf = (text: unknown, read: PlacedReaders): Address | undefined => {
  if (typeof text !== 'string') return undefined
  try {
    return read.address(text)
  } catch {
    return undefined
  }
}

/** Host names are case-insensitive (RFC 4343), and so is the hex of IPv6. */
export const sameText = (address: Address): string =>
  address.kind === 'unix' ? formatAddress(address) : formatAddress(address).toLowerCase()

export const wholeNumberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined

/** Milliseconds. */
export const durationOf = (value: unknown): number | undefined => {
  if (typeof value !== 'string') return wholeNumberOf(value)
  try {
    return parseDuration(value)
  } catch {
    return undefined
  }
}

/** The addresses of an upstream's endpoints, in either of the two ways to write one. */
export const endpointTextsOf = ({ endpoints }: Fields): readonly unknown[] =>
  (Array.isArray(endpoints) ? endpoints : []).map((endpoint: unknown) =>
    isFields(endpoint) ? endpoint.address : endpoint,
  )

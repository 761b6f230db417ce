/** Which way bytes move: `upstream` from the client to the upstream, `downstream` from the upstream to the client. */
export type Direction = 'upstream' | 'downstream'

export const opposite = (direction: Direction): Direction =>
  direction === 'upstream' ? 'downstream' : 'upstream'

/** A figure for each direction, e.g. bytes relayed. */
export interface PerDirection<T> {
  readonly upstream: T
  readonly downstream: T
}

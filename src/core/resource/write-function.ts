/** What a resource is given to write, and the function that takes it. */

export interface WriteContext {
  /** As in gogetway's frame: 1 for TCP. */
  readonly listenType: number
  /** Who sent the bytes, in address notation, port included: `10.0.0.7:51234`, `[::1]:51234`, `unix:/path`. */
  readonly fromIp: string
  /** Who gets them. */
  readonly toIp: string
  /** `from...to`, as in gogetway's frame. */
  readonly fromTo: string
}

/**
 * Takes one frame. `framed` is the function's to keep. The next frame of the same queue waits for what it returns to
 * settle; one that throws or rejects is counted and reported, and does nothing else.
 */
export type WriteFunction = (framed: Uint8Array, context: WriteContext) => unknown

/** Functions may bring a promise of another library. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

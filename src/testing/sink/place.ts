/** What the suite has to be able to do to the place that a sink stores into. Whoever writes a sink writes one of these for it. */

import type { Sink, SinkRecord } from '../../ports/sink.js'

/** A place of its own for one case, empty at first. */
export interface SinkPlace {
  /** Another sink that stores into it, not opened yet: as after a restart of the gateway. */
  connect(): Sink | Promise<Sink>
  /**
   * Everything that is stored there now, not by way of a sink: those of one connection in the order in which a reader of the place would
   * go through them, e.g. by time (which grows from record to record in this suite). Records that came twice may be there twice.
   */
  stored(): Promise<readonly SinkRecord[]>
  /**
   * Makes a later write fail half-way: the connection breaks, the server is killed, the disk is full. It has been mended by the time
   * that `open` is called again. Without it the cases that need it say that they are not checked.
   */
  breakNext?(): void | Promise<void>
  /**
   * Makes writes wait without end (a lock, a server that is stopped), until what it returns is called. Without it the case that needs
   * it says that it is not checked.
   */
  stall?(): Promise<() => void | Promise<void>>
  /** Texts that nobody may be shown, e.g. the password. */
  readonly secrets?: readonly string[]
  /** Removes all of it. */
  close(): void | Promise<void>
}

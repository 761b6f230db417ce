/**
 * Two connected unix sockets, both held by this process. Node has no socketpair(2) of its own, so one connects to the other through a
 * listener that nobody else can reach: its directory is this user's alone.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SocketPair {
  readonly ours: Socket
  /** Nothing has been read from it, so that a child can have it. */
  readonly theirs: Socket
}

interface Meeting {
  readonly server: Server
  readonly directory: string
}

const ignore = (): void => {}

export class SocketPairs {
  #meeting: Promise<Meeting> | null = null
  /** One pair is made at a time, so that whoever is accepted is the one that has connected. */
  #last: Promise<unknown> = Promise.resolve()
  #accepted: ((socket: Socket) => void) | null = null
  #isClosed = false

  /** Both allow half-open. @throws Error (rejects) with a system code. */
  open(): Promise<SocketPair> {
    const pair = this.#last.then(() => this.#open())
    this.#last = pair.catch(ignore)
    return pair
  }

  /** Idempotent. Pairs that were made live on. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
    const meeting = await this.#meeting?.catch(ignore)
    this.#meeting = null
    if (meeting === undefined) return
    meeting.server.close()
    await rm(meeting.directory, { recursive: true, force: true })
  }

  async #open(): Promise<SocketPair> {
    if (this.#isClosed) throw new Error('it is closed')
    this.#meeting ??= this.#listen()
    // Once it has failed, the next pair tries anew.
    const { directory } = await this.#meeting.catch((thrown: unknown) => {
      this.#meeting = null
      throw thrown
    })
    const ours = new Socket({ allowHalfOpen: true })
    try {
      const theirs = new Promise<Socket>((resolve, reject) => {
        this.#accepted = resolve
        ours.once('error', reject)
        ours.connect({ path: socketIn(directory) })
      })
      return { ours, theirs: await theirs }
    } catch (thrown) {
      ours.destroy()
      throw thrown
    } finally {
      this.#accepted = null
    }
  }

  async #listen(): Promise<Meeting> {
    const directory = await mkdtemp(join(tmpdir(), 'tidegate-inetd-'))
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on('error', ignore)
      if (this.#accepted === null) socket.destroy()
      else this.#accepted(socket)
    })
    server.unref()
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(socketIn(directory), resolve)
      })
    } catch (thrown) {
      await rm(directory, { recursive: true, force: true })
      throw thrown
    }
    server.on('error', ignore)
    return { server, directory }
  }
}

const socketIn = (directory: string): string => join(directory, 'pair')

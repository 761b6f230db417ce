/**
 * Where a service tells that it is ready, as sd_notify(3) does it: a unix datagram socket that NOTIFY_SOCKET names. Node has no
 * such sockets.
 *
 * It is in a directory that nobody can list: who is told the name may write to it, whoever it is run as.
 */

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf, TidegateError } from '../../errors.js'
import { AF_UNIX } from './ffi/abi.js'
import { failed, type SocketFd } from './ffi/descriptors.js'
import { unixAddress } from './ffi/layout.js'
import { Libc, type Watcher } from './ffi/libc.js'
import { systemError } from './system-error.js'

export interface NotificationSocket {
  /** For NOTIFY_SOCKET. */
  readonly path: string
  /** Idempotent. Nothing is told any more. */
  close(): void
}

/** Of sockaddr_un's 108 bytes one is the final NUL. */
const MOST_PATH_BYTES = 107
/** A longer message is cut: systemd's own bound is the kernel's page. */
const MESSAGE_BYTES = 4096
/** Who sends without end is read on in the next turn of the event loop. */
const MESSAGES_PER_TURN = 64

const MAY_ENTER = 0o711
const MAY_WRITE = 0o666

/** Loading takes a while: once is enough. Of no thread's account: Node's end closes what is left. */
let libc: Libc | null = null

/** @throws TidegateError (rejects) `engine_unavailable`: without Linux or koffi; or what the system says of the socket. */
export const openNotifications = async (onMessage: (text: string) => void): Promise<NotificationSocket> => {
  try {
    libc ??= new Libc()
  } catch (thrown) {
    throw new TidegateError(
      'engine_unavailable',
      `notify needs Linux and the koffi package; expected connect, output or command: ${messageOf(thrown)}`,
      { fault: 'system', cause: thrown },
    )
  }
  const directory = mkdtempSync(join(tmpdir(), 'tidegate-notify-'))
  try {
    return new Socket(libc, directory, onMessage)
  } catch (thrown) {
    rmSync(directory, { recursive: true, force: true })
    throw new TidegateError(
      'listen_failed',
      `there is no socket for notify to be had: ${messageOf(thrown)}`,
      {
        fault: 'system',
        cause: thrown,
      },
    )
  }
}

class Socket implements NotificationSocket {
  readonly path: string
  readonly #libc: Libc
  readonly #directory: string
  readonly #onMessage: (text: string) => void
  readonly #fd: SocketFd
  readonly #watcher: Watcher
  readonly #buffer = new Uint8Array(new ArrayBuffer(MESSAGE_BYTES))
  #isClosed = false

  /** @throws Error of the system. */
  constructor(calls: Libc, directory: string, onMessage: (text: string) => void) {
    this.#libc = calls
    this.#directory = directory
    this.#onMessage = onMessage
    this.path = join(directory, 'notify')
    const path = Buffer.from(this.path)
    if (path.length > MOST_PATH_BYTES) throw new Error(`its path '${this.path}' is too long; set TMPDIR`)
    const fd = calls.datagramSocket(AF_UNIX)
    if (failed(fd)) throw systemError('socket', fd)
    this.#fd = fd
    try {
      const bound = calls.bind(fd, unixAddress(path))
      if (bound < 0) throw systemError('bind', bound)
      chmodSync(this.path, MAY_WRITE)
      chmodSync(directory, MAY_ENTER)
      this.#watcher = calls.onEvents(fd, () => this.#read())
    } catch (thrown) {
      calls.close(fd)
      throw thrown
    }
    // The service keeps this process alive, not what it may say.
    this.#watcher.keepAlive(false)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watcher.close()
    this.#libc.close(this.#fd)
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #read(): void {
    for (let n = 0; n < MESSAGES_PER_TURN && !this.#isClosed; n++) {
      const length = this.#libc.receive(this.#fd, this.#buffer)
      if (length < 0) return
      this.#onMessage(Buffer.from(this.#buffer.subarray(0, length)).toString())
    }
  }
}

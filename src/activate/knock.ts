/** Whether somebody accepts at an address: one connection, closed at once. */

import { connect } from 'node:net'
import type { Address } from '../core/address.js'

export interface Knock {
  readonly answer: Promise<boolean>
  /** Not asked for any more: the answer is no. */
  cancel(): void
}

/** No answer within the time is a no. */
export const knock = (address: Address, timeoutMs: number): Knock => {
  let cancel = (): void => {}
  const answer = new Promise<boolean>((resolve) => {
    const socket =
      address.kind === 'unix'
        ? connect({ path: address.path })
        : connect({ host: address.host === '' ? 'localhost' : address.host, port: address.port })
    const timer = setTimeout(() => tell(false), timeoutMs)
    const tell = (is: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(is)
    }
    cancel = () => tell(false)
    socket.once('connect', () => tell(true))
    socket.once('error', () => tell(false))
  })
  return { answer, cancel: () => cancel() }
}

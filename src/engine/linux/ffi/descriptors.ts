/**
 * Descriptor numbers that say what they are. They come from the calls in `libc.ts` and go back into them; nobody
 * does arithmetic on one.
 */

declare const kind: unique symbol

export type SocketFd = number & { readonly [kind]: 'socket' }
/** A socket that listens. */
export type ListenFd = number & { readonly [kind]: 'listen' }
export type PipeFd = number & { readonly [kind]: 'pipe' }
export type EpollFd = number & { readonly [kind]: 'epoll' }
export type AnyFd = SocketFd | ListenFd | PipeFd | EpollFd

/** The result of a call that failed: a negated errno. */
export type Failed = number & { readonly [kind]: 'failed' }

/** A pipe: what goes into `entry` comes out of `exit`. */
export interface Pipe {
  readonly exit: PipeFd
  readonly entry: PipeFd
}

export const failed = (result: number): result is Failed => result < 0

/** A number that comes from another thread, whose engine knew what it was. */
export const asListenFd = (fd: number): ListenFd => fd as ListenFd
export const asEpollFd = (fd: number): EpollFd => fd as EpollFd
export const asAnyFd = (fd: number): AnyFd => fd as AnyFd
export const asSocketFd = (fd: number): SocketFd => fd as SocketFd

/** What a closed socket has in place of its descriptor: every call answers EBADF. */
export const NO_SOCKET = -1 as SocketFd

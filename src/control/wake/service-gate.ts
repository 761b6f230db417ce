/**
 * Whether a service that is started on demand can be used now, and how many use it, in memory that all planes share: what a
 * connection costs there is two atomic steps and no message.
 *
 *     gate  = state, users of plane 0, 1, … : 32-bit    generation:11 | users + 1:20    (0 in the lower part: shut)
 *             last left, last byte : 64-bit             ms, by `processNow`
 *
 * - user: whoever is connected to the service, or is about to be: while there is one, it is not stopped
 * - generation: one run of the service. Who entered in an earlier one has nothing to give back any more
 * - pass: what a user has entered with
 */

const STATE = 0
const PLANES = 1

const USER_BITS = 20
const USERS = (1 << USER_BITS) - 1
const GENERATIONS = 1 << 11

const LAST_LEFT = 0
const LAST_BYTE = 1

const usersIn = (state: number): number => Math.max(0, (state & USERS) - 1)
const generationIn = (state: number): number => state >>> USER_BITS
const isOpenIn = (state: number): boolean => (state & USERS) !== 0

/** The generation it is good for. */
export type GatePass = number

export class ServiceGate {
  readonly buffer: SharedArrayBuffer
  readonly #times: BigInt64Array<SharedArrayBuffer>
  readonly #words: Int32Array<SharedArrayBuffer>

  /** `buffer`: of a gate that another thread has made. */
  constructor(planes: number, buffer?: SharedArrayBuffer) {
    const timeBytes = 2 * BigInt64Array.BYTES_PER_ELEMENT
    const words = PLANES + planes
    this.buffer = buffer ?? new SharedArrayBuffer(timeBytes + words * Int32Array.BYTES_PER_ELEMENT)
    this.#times = new BigInt64Array(this.buffer, 0, 2)
    this.#words = new Int32Array(this.buffer, timeBytes, words)
  }

  get isOpen(): boolean {
    return isOpenIn(this.#state())
  }

  get users(): number {
    return usersIn(this.#state())
  }

  /** When the last user left, ms. */
  get lastLeftAt(): number {
    return Number(Atomics.load(this.#times, LAST_LEFT))
  }

  /** When a byte was last known to have moved, ms. */
  get lastByteAt(): number {
    return Number(Atomics.load(this.#times, LAST_BYTE))
  }

  /** The main thread's: the service is ready. Whoever was in before is out. */
  open(now: number): void {
    Atomics.store(this.#times, LAST_LEFT, BigInt(Math.ceil(now)))
    Atomics.store(this.#times, LAST_BYTE, BigInt(Math.ceil(now)))
    this.#set(1)
  }

  /** Nobody enters any more. */
  shut(): void {
    this.#set(0)
  }

  /** Shuts it if it is open and nobody is in. */
  shutIfUnused(): boolean {
    const state = this.#state()
    if ((state & USERS) !== 1) return false
    const shut = (((generationIn(state) + 1) % GENERATIONS) << USER_BITS) | 0
    return Atomics.compareExchange(this.#words, STATE, state, shut) === state
  }

  /** Null: it is shut. */
  enter(plane: number): GatePass | null {
    for (;;) {
      const state = this.#state()
      if (!isOpenIn(state)) return null
      if (Atomics.compareExchange(this.#words, STATE, state, state + 1) !== state) continue
      this.#countIn(plane, generationIn(state), 1)
      return generationIn(state)
    }
  }

  /** `isIdleUser`: it has used nothing, so that it does not count when the time of idleness is measured. */
  leave(plane: number, pass: GatePass, now: number, isIdleUser: boolean): void {
    this.#countIn(plane, pass, -1)
    if (!isIdleUser) Atomics.store(this.#times, LAST_LEFT, BigInt(Math.ceil(now)))
    for (;;) {
      const state = this.#state()
      if (generationIn(state) !== pass || usersIn(state) === 0) return
      if (Atomics.compareExchange(this.#words, STATE, state, state - 1) === state) return
    }
  }

  noteByte(now: number): void {
    Atomics.store(this.#times, LAST_BYTE, BigInt(Math.ceil(now)))
  }

  /** Gives back what a plane had that is no more. */
  forget(plane: number): void {
    const had = Atomics.exchange(this.#words, PLANES + plane, 0)
    for (let left = usersIn(had); left > 0; left--) {
      const state = this.#state()
      if (generationIn(state) !== generationIn(had) || usersIn(state) === 0) return
      if (Atomics.compareExchange(this.#words, STATE, state, state - 1) !== state) left++
    }
  }

  /** Only the plane's own thread writes its word, so it needs no loop. */
  #countIn(plane: number, generation: number, more: 1 | -1): void {
    const at = PLANES + plane
    const was = Atomics.load(this.#words, at)
    const users = generationIn(was) === generation ? usersIn(was) : 0
    const is = Math.max(0, users + more)
    if (more === -1 && generationIn(was) !== generation) return
    Atomics.store(this.#words, at, (generation << USER_BITS) | (is + 1))
  }

  #state(): number {
    return Atomics.load(this.#words, STATE)
  }

  /** Another generation, with nobody in; `low`: 1 is open, 0 shut. */
  #set(low: 0 | 1): void {
    for (;;) {
      const state = this.#state()
      const next = (((generationIn(state) + 1) % GENERATIONS) << USER_BITS) | low
      if (Atomics.compareExchange(this.#words, STATE, state, next) === state) return
    }
  }
}

/**
 * Coarse timers for connect, idle and half-close: a hashed wheel (Varghese and Lauck, 1987). Setting and clearing one is
 * O(1), whatever its length; one Node timer drives them all, and only while there are any. A timer fires up to one
 * tick late, never early.
 */

/** Fine enough for timeouts that people set, coarse enough that a thousand connections cost a wake-up each tick at most. */
const TICK_MS = 10

/** One round of the wheel is 10 s: most connects end within it, and a longer timer is passed once per round. */
const SLOTS = 1024

/** What can be set on a wheel; a class of its own where there is one for each connection. */
export abstract class Timer {
  next: Timer | null = null
  previous: Timer | null = null
  /** The tick it is due at; -1 when it is not set. */
  tick = -1

  abstract fire(): void
}

/** Calls a function. */
export class CallbackTimer extends Timer {
  readonly #callback: () => void

  constructor(callback: () => void) {
    super()
    this.#callback = callback
  }

  override fire(): void {
    this.#callback()
  }
}

export class TimerWheel {
  readonly #slots: (Timer | null)[] = Array<Timer | null>(SLOTS).fill(null)
  #count = 0
  /** Every tick up to this one has been looked at. */
  #seen = 0
  /** The tick that the driver wakes up for. */
  #wakesAt = 0
  #driver: NodeJS.Timeout | undefined

  /** `at`: by performance.now(). A timer that is set already is moved. */
  set(timer: Timer, at: number): void {
    this.clear(timer)
    if (this.#count === 0) this.#seen = Math.floor(performance.now() / TICK_MS)
    const tick = Math.max(Math.ceil(at / TICK_MS), this.#seen + 1)
    const slot = tick % SLOTS
    const first = this.#slots[slot] ?? null
    timer.tick = tick
    timer.next = first
    if (first !== null) first.previous = timer
    this.#slots[slot] = timer
    this.#count++
    if (this.#driver === undefined || tick < this.#wakesAt) this.#wakeAt(tick)
  }

  clear(timer: Timer): void {
    if (timer.tick === -1) return
    if (timer.previous === null) this.#slots[timer.tick % SLOTS] = timer.next
    else timer.previous.next = timer.next
    if (timer.next !== null) timer.next.previous = timer.previous
    timer.next = null
    timer.previous = null
    timer.tick = -1
    this.#count--
  }

  close(): void {
    clearTimeout(this.#driver)
    this.#driver = undefined
  }

  #wakeAt(tick: number): void {
    clearTimeout(this.#driver)
    this.#wakesAt = tick
    this.#driver = setTimeout(() => this.#wake(), Math.max(1, Math.ceil(tick * TICK_MS - performance.now())))
    // What waits keeps the process alive by its socket, if by anything.
    this.#driver.unref()
  }

  #wake(): void {
    this.#driver = undefined
    const now = Math.floor(performance.now() / TICK_MS)
    const from = Math.max(this.#seen, now - SLOTS)
    this.#seen = now
    for (let tick = from + 1; tick <= now; tick++) this.#fireSlot(tick % SLOTS, now)
    if (this.#count > 0 && this.#driver === undefined) this.#wakeAt(this.#nextTick())
  }

  #fireSlot(slot: number, now: number): void {
    let due: Timer[] | null = null
    for (let timer = this.#slots[slot] ?? null; timer !== null; timer = timer.next) {
      if (timer.tick > now) continue
      due ??= []
      due.push(timer)
    }
    if (due === null) return
    for (const timer of due) {
      // One that fired before may have cleared it, or set it anew.
      if (timer.tick === -1 || timer.tick > now) continue
      this.clear(timer)
      timer.fire()
    }
  }

  /** The nearest slot that is not empty; its timers may be rounds away. */
  #nextTick(): number {
    for (let tick = this.#seen + 1; tick < this.#seen + SLOTS; tick++)
      if (this.#slots[tick % SLOTS] !== null) return tick
    return this.#seen + SLOTS
  }
}

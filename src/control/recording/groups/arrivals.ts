/**
 * Which connections of each seat have arrived: they come nearly, but not quite, in the order they opened, since one whose first packets found no
 * room is told of later.
 */

interface Seat {
  /** All up to this one have. */
  upTo: number
  readonly beyond: Set<number>
}

export class Arrivals {
  /** By owner. */
  readonly #seats = new Map<number, Seat>()

  add(owner: number, serial: number): void {
    const seat = this.#seats.get(owner) ?? { upTo: 0, beyond: new Set() }
    this.#seats.set(owner, seat)
    if (serial > seat.upTo) seat.beyond.add(serial)
    while (seat.beyond.delete(seat.upTo + 1)) seat.upTo++
  }

  /** All of the seat's first `count` connections have. */
  has(owner: number, count: number): boolean {
    return (this.#seats.get(owner)?.upTo ?? 0) >= count
  }

  /** The seat is over; its number may be another's soon. */
  forget(owner: number): void {
    this.#seats.delete(owner)
  }
}

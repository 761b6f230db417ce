/**
 * Timestamps of an interface: a 64-bit count of units since `if_tsoffset` seconds after 1970, where `if_tsresol`
 * says how long a unit is.
 *
 *     if_tsresol  = u8     ; top bit 0: a unit is 10^-n s, 1: 2^-n s, n being the other seven bits; default 10^-6
 */

/** Microseconds, unless the interface says otherwise. */
export const DEFAULT_TS_RESOLUTION = 6

const POWER_OF_TWO_FLAG = 0x80
const NS_DIGITS = 9
const NS_PER_SECOND = 1_000_000_000n

const MAX_NS = 2n ** 63n - 1n
const MIN_NS = -(2n ** 63n)

/**
 * Times are held within a signed 64-bit count of nanoseconds (years 1678 to 2262): what gogetway's frames can carry, and
 * always a valid Date. A stamp beyond that is nonsense anyway.
 */
export const clampNs = (ns: bigint): bigint => {
  if (ns > MAX_NS) return MAX_NS
  return ns < MIN_NS ? MIN_NS : ns
}

/** Turns the two halves of a timestamp into nanoseconds since 1970. */
export type Clock = (high: number, low: number) => bigint

const ticksOf = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low)

const unitsToNs = (resolution: number): ((ticks: bigint) => bigint) => {
  const exponent = resolution & ~POWER_OF_TWO_FLAG
  if (resolution & POWER_OF_TWO_FLAG) {
    const shift = BigInt(exponent)
    return (ticks) => (ticks * NS_PER_SECOND) >> shift
  }
  if (exponent > NS_DIGITS) {
    const divisor = 10n ** BigInt(exponent - NS_DIGITS)
    return (ticks) => ticks / divisor
  }
  const factor = 10n ** BigInt(NS_DIGITS - exponent)
  return (ticks) => ticks * factor
}

/** `offsetSeconds` is the interface's `if_tsoffset`. */
export const createClock = (resolution: number, offsetSeconds: bigint): Clock => {
  const offsetNs = offsetSeconds * NS_PER_SECOND
  if (resolution === NS_DIGITS && offsetNs === 0n) return (high, low) => clampNs(ticksOf(high, low))
  const toNs = unitsToNs(resolution)
  return (high, low) => clampNs(toNs(ticksOf(high, low)) + offsetNs)
}

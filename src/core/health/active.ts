/**
 * What checks say about an endpoint: connections that are made for nothing else.
 *
 * - down: so many checks failed in a row (`fall`); up again: so many passed in a row (`rise`)
 * - streak: results in a row that speak against what is held to be true
 *
 * An endpoint is up until it is proven down: a gateway that has just started serves at once. Plain numbers, as in `passive.ts`.
 */

export interface CheckRules {
  /** At least 1. */
  readonly rise: number
  /** At least 1. */
  readonly fall: number
}

export interface CheckState {
  readonly isDown: boolean
  readonly streak: number
}

/** At the start. */
export const UNCHECKED: CheckState = { isDown: false, streak: 0 }

/** Returns the state itself when nothing changes, as after most checks. */
export const afterCheck = (state: CheckState, passed: boolean, { rise, fall }: CheckRules): CheckState => {
  const isAgainst = passed === state.isDown
  if (!isAgainst) return state.streak === 0 ? state : { isDown: state.isDown, streak: 0 }
  const streak = state.streak + 1
  return streak < (state.isDown ? rise : fall)
    ? { isDown: state.isDown, streak }
    : { isDown: !state.isDown, streak: 0 }
}

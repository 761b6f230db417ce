/** What several measurements say together: a machine that others use has hiccups, and one is no verdict. */

/** Of an even number the upper one; NaN of none. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** A failed system call as the Error that Node would have made of it: `code` is what everybody looks at. */

import { getSystemErrorName } from 'node:util'

export const errorNamed = (code: string, message: string): Error =>
  Object.assign(new Error(message), { code })

/** `negated`: as the calls in `ffi/` give it. */
export const systemError = (call: string, negated: number): Error => {
  const code = getSystemErrorName(negated)
  return Object.assign(new Error(`${call} ${code}`), { code, errno: negated, syscall: call })
}

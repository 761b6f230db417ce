/** The numbers of a user and a group, by what the system says of their names. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { TidegateError } from '../errors.js'

export interface Account {
  readonly uid?: number
  readonly gid?: number
}

type Name = string | number | null

/** The system may ask a directory service. */
const ASK_MS = 5000

const unknown = (what: 'user' | 'group', name: string | number): TidegateError =>
  new TidegateError('not_found', `there is no ${what} '${name}'`, { fault: 'usage', where: String(name) })

/** What it prints; null when it fails. */
const ask = (command: string, args: readonly string[]): Promise<string | null> =>
  new Promise((resolve) => {
    execFile(command, args, { timeout: ASK_MS }, (error, stdout) => resolve(error === null ? stdout : null))
  })

/** @throws TidegateError (rejects) `not_found` */
const idOf = async (flag: '-u' | '-g', user: string | number): Promise<number> => {
  const printed = await ask('id', [flag, '--', String(user)])
  if (printed === null) throw unknown('user', user)
  return Number(printed.trim())
}

/** @throws TidegateError (rejects) `not_found` */
const groupId = async (name: string): Promise<number> => {
  // Not everywhere is there a `getent`.
  const lines =
    (await ask('getent', ['group', name])) ?? (await readFile('/etc/group', 'utf8').catch(() => ''))
  const line = lines.split('\n').find((each) => each.startsWith(`${name}:`))
  if (line === undefined) throw unknown('group', name)
  return Number(line.split(':')[2])
}

/**
 * Who a child is run as; nothing where neither is given. A user's own group, unless another is given.
 * @throws TidegateError (rejects) `not_found`; `permission_denied`: only root may be somebody else.
 */
export const accountOf = async (user: Name, group: Name): Promise<Account> => {
  if (user === null && group === null) return {}
  const uid = typeof user === 'string' ? await idOf('-u', user) : (user ?? undefined)
  // A number that has no name has no group of its own, and this process's must not be left to it.
  const ofUser = group === null && user !== null ? await idOf('-g', user) : undefined
  const gid = typeof group === 'string' ? await groupId(group) : (group ?? ofUser)
  const isOther =
    (uid !== undefined && uid !== process.getuid?.()) || (gid !== undefined && gid !== process.getgid?.())
  if (isOther && process.getuid?.() !== 0) {
    const whom = user === null ? `group ${group}` : `user ${user}`
    throw new TidegateError('permission_denied', `only root may run it as ${whom}`, { fault: 'usage' })
  }
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

/** Asked once, ahead of the first start, which clients wait for; again while the answer is none. */
export class AccountLookup {
  readonly #user: Name
  readonly #group: Name
  #asked: Promise<Account>

  constructor(user: Name, group: Name) {
    this.#user = user
    this.#group = group
    this.#asked = this.#ask()
  }

  /** @throws TidegateError (rejects) `not_found`, `permission_denied`. */
  async account(): Promise<Account> {
    try {
      return await this.#asked
    } catch {
      // Somebody may have made the account meanwhile.
      this.#asked = this.#ask()
      return this.#asked
    }
  }

  #ask(): Promise<Account> {
    const asked = accountOf(this.#user, this.#group)
    // Told to whoever wants the account.
    asked.catch(() => {})
    return asked
  }
}

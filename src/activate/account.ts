/** The numbers of a user and a group, by what the system says of their names. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { TidegateError } from '../errors.js'

export interface Account {
  readonly uid?: number
  readonly gid?: number
}

const unknown = (what: 'user' | 'group', name: string): TidegateError =>
  new TidegateError('not_found', `there is no ${what} '${name}'`, { fault: 'usage', where: name })

/** @throws TidegateError `not_found` */
const idOf = (flag: '-u' | '-g', user: string): number => {
  const { status, stdout } = spawnSync('id', [flag, '--', user], { encoding: 'utf8', timeout: 5000 })
  if (status !== 0) throw unknown('user', user)
  return Number(stdout.trim())
}

/** @throws TidegateError `not_found` */
const groupId = (name: string): number => {
  const asked = spawnSync('getent', ['group', name], { encoding: 'utf8', timeout: 5000 })
  const lines = asked.status === 0 ? asked.stdout : readFileSync('/etc/group', 'utf8')
  const line = lines.split('\n').find((each) => each.startsWith(`${name}:`))
  if (line === undefined) throw unknown('group', name)
  return Number(line.split(':')[2])
}

/**
 * Who a child is run as; nothing where neither is given. A user's own group, unless another is given.
 * @throws TidegateError `not_found`; `permission_denied`: only root may be somebody else.
 */
export const accountOf = (user: string | number | null, group: string | number | null): Account => {
  if (user === null && group === null) return {}
  const uid = typeof user === 'string' ? idOf('-u', user) : (user ?? undefined)
  const ofUser = typeof user === 'string' ? idOf('-g', user) : undefined
  const gid = group === null ? ofUser : typeof group === 'string' ? groupId(group) : group
  const isOther =
    (uid !== undefined && uid !== process.getuid?.()) || (gid !== undefined && gid !== process.getgid?.())
  if (isOther && process.getuid?.() !== 0) {
    const whom = user === null ? `group ${group}` : `user ${user}`
    throw new TidegateError('permission_denied', `only root may run it as ${whom}`, { fault: 'usage' })
  }
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

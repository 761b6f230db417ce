/** `tidegate record` on a disk that fills up, as a program: what it logs, how it ends, and what `verify` says then. */

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectSum, verify } from '../../control/recording/full-disk/rig.js'
import { payload } from '../../support/payload.js'
import { expectSameBytes } from '../../support/recording.js'
import { type Scope, testScope } from '../../support/scope.js'
import { mayMount, mountSmallDisk } from '../../support/small-disk.js'
import { dial, exchange, freePort, LOOPBACK, startServer } from '../../support/sockets.js'
import { listening, portIn, startTidegate, tidegate } from '../../support/tidegate.js'

const MIB = 1024 * 1024

const canMount = await mayMount('tidegate record on a full disk')

const record = async (scope: Scope, where: readonly string[]) => {
  const echo = await startServer(scope, (socket) => void socket.pipe(socket))
  const target = `${LOOPBACK}:${echo.port}`
  const args = ['record', `${LOOPBACK}:0`, target, '--buffer', '1MiB', '--workers', '0', ...where]
  const gateway = startTidegate(scope, args)
  const [address = ''] = (await listening(gateway)).values()
  const failing = () => gateway.lines('the failure', ({ msg }) => msg.includes('fails, bytes are lost'))
  /** What it says last: the figures, and the same in words. */
  const finish = async () => {
    expect(await gateway.finish()).toBe(0)
    const [figures, words] = gateway.log.slice(-2)
    expect(figures).toMatchObject({ msg: 'closed', level: 'info' })
    return { figures: figures!, words: words!.msg }
  }
  return { ...gateway, port: portIn(address), failing, finish }
}

describe.skipIf(!canMount)('record on a full disk', () => {
  it('--on-failure disconnect: ends the connection, says why, and sums up what verify finds', async () => {
    const scope = testScope()
    const disk = await mountSmallDisk(scope, 3 * MIB)
    disk.fill(2 * MIB)
    const file = join(disk.folder, 'it.pcapng')
    const gateway = await record(scope, ['--out', file, '--on-failure', 'disconnect'])
    const cut = await dial(scope, gateway.port)
    cut.on('data', () => {}).write(Buffer.alloc(4 * MIB))
    const error = 'connection 1 could not be recorded: write failed: ENOSPC'
    expect(await gateway.closed(1)).toMatchObject([{ level: 'warn', reason: 'error', error }])
    expect(await gateway.failing()).toMatchObject([{ level: 'warn', why: 'write failed: ENOSPC' }])
    // Or how it ended might find none.
    disk.makeRoom()
    const { figures, words } = await gateway.finish()
    expect(words).toMatch(/^recorded 1 connection, .* \(.* lost\) to .*it\.pcapng$/)
    expectSum(figures, await verify(file))
    const { code, stdout } = await tidegate(['verify', file])
    expect(`${code} ${stdout.toString()}`).toMatch(
      /^1 hole: .*: write failed: ENOSPC\n(.*\n)*failed: 1 connection/,
    )
  }, 30_000)

  it('--to URL --spool DIR, the database away and the disk full: relays all, and keeps what it could', async () => {
    const scope = testScope()
    const disk = await mountSmallDisk(scope, 3 * MIB)
    disk.fill(2 * MIB)
    const spool = join(disk.folder, 'spool')
    const to = `postgres://nobody@${LOOPBACK}:${await freePort()}/traffic`
    const gateway = await record(scope, ['--to', to, '--spool', spool])
    const bytes = payload(1, 1.5 * MIB)
    expectSameBytes(await exchange(await dial(scope, gateway.port), bytes), bytes, 'the reply')
    expect(await gateway.failing()).toMatchObject([{ level: 'warn', why: 'write failed: ENOSPC' }])
    disk.makeRoom()
    const { figures, words } = await gateway.finish()
    expect(words).toMatch(/^recorded 1 connection, .* \(.* lost\) to postgres:/)
    expectSum(figures, await verify(spool))
  }, 30_000)
})

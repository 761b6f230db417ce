/**
 * `tidegate record` into a folder that it may not write to any more: the next file cannot be begun. One line says so, the traffic goes on,
 * and what it sums up in the end is what `verify` finds.
 */

import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { expectSum, verify } from '../../control/recording/full-disk/rig.js'
import { namesIn } from '../../sinks/files/series.js'
import { payload } from '../../support/payload.js'
import { expectSameBytes } from '../../support/recording.js'
import { eventually, type Scope, testScope } from '../../support/scope.js'
import { dial, exchange, startServer } from '../../support/sockets.js'
import { startRecorder } from '../../support/tidegate.js'
import { describeWith, toolPath } from '../../support/tools.js'

const KIB = 1024
const isRoot = process.getuid?.() === 0

/** Root may write anywhere, unless it gives that up. */
const launcher = (): readonly string[] =>
  isRoot ? [toolPath('setpriv'), '--bounding-set=-dac_override', '--inh-caps=-dac_override', '--'] : []

const startIn = async (scope: Scope, args: readonly string[]) => {
  const echo = await startServer(scope, (socket) => void socket.on('error', () => {}).pipe(socket))
  const folder = join(scope.tempDir(), 'made')
  mkdirSync(folder)
  scope.defer(() => chmodSync(folder, 0o755))
  const options = ['--rotate-size', '128KiB', '--workers', '0', ...args]
  const gateway = await startRecorder(scope, echo.port, {
    file: `${folder}/`,
    args: options,
    launcher: launcher(),
  })
  const said = (what: string) => gateway.log.filter(({ msg }) => msg.includes(what))
  let closed = 0
  const relay = async (seed: number, length: number): Promise<void> => {
    const bytes = payload(seed, length)
    expectSameBytes(await exchange(await dial(scope, gateway.port), bytes), bytes, `what was sent as ${seed}`)
    await gateway.closed(++closed)
  }
  return { ...gateway, folder, said, relay }
}

describeWith(isRoot ? ['setpriv'] : [], 'record into a folder that becomes unwritable', () => {
  it('relays all, says so once, and goes on when it may write again', { retry: 0 }, async () => {
    const scope = testScope()
    const { folder, relay, said, finish, log } = await startIn(scope, [])
    await relay(1, 20 * KIB)
    await eventually('the first file', () => namesIn(folder).length === 1)
    chmodSync(folder, 0o555)
    for (let seed = 2; seed < 8; seed++) await relay(seed, 150 * KIB)
    await eventually('it to be said', () => said('fails, bytes are lost').length > 0)
    const before = namesIn(folder)
    expect(before).toHaveLength(1)
    chmodSync(folder, 0o755)
    await eventually('it to write again', async () => {
      await relay(9, 1)
      return said('works again').length > 0
    })
    await relay(10, 100 * KIB)
    expect(await finish()).toBe(0)
    expect(said('fails, bytes are lost')).toMatchObject([{ level: 'warn', why: 'write failed: EACCES' }])
    expect(said('works again')).toHaveLength(1)
    expect(namesIn(folder).length).toBeGreaterThan(before.length)
    const verified = await verify(folder)
    expectSum(log.at(-2)!, verified)
    expect([...verified.whys]).toEqual(['write failed: EACCES'])
  })

  it('with --on-failure disconnect ends those whose bytes were lost, and says why', {
    retry: 0,
  }, async () => {
    const scope = testScope()
    const { folder, port, said, finish, log, closed } = await startIn(scope, ['--on-failure', 'disconnect'])
    const silent = await dial(scope, port)
    silent.write('hello')
    const file = await eventually('the first to be stored', async () =>
      namesIn(folder).length === 1 && (await verify(folder)).bytes.downstream === 5 ? namesIn(folder) : null,
    )
    chmodSync(folder, 0o555)
    const cut = await dial(scope, port)
    cut.on('data', () => {}).write(Buffer.alloc(1024 * KIB))
    const error = 'connection 2 could not be recorded: write failed: EACCES'
    expect(await closed(1)).toMatchObject([{ id: 2, reason: 'error', error }])
    expect(namesIn(folder)).toEqual(file)
    chmodSync(folder, 0o755)
    expect((await exchange(silent, Buffer.from(' again'))).toString()).toBe('hello again')
    expect(await finish()).toBe(0)
    expect(said('fails, bytes are lost')).toMatchObject([{ level: 'warn', why: 'write failed: EACCES' }])
    expectSum(log.at(-2)!, await verify(folder))
  })
})

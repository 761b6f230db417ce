/** Services that three commands start, stop and ask after: a file stands for the service. */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CommandOptions, createCommandActivator } from '../../src/activate/commands.js'
import { startActivation, type Watched } from '../support/activation.js'
import { eventually, type Scope, testScope } from '../support/scope.js'

interface Service {
  readonly file: string
  /** What was run, in order: `start` at its beginning, `/start` at its end. */
  log(): readonly string[]
  run(options?: Partial<Record<'start' | 'stop' | 'isUp', string>>, more?: Partial<CommandOptions>): Watched
}

const service = (scope: Scope): Service => {
  const directory = scope.tempDir()
  const log = join(directory, 'log')
  writeFileSync(log, '')
  const words = (name: string, script: string) =>
    ['sh', '-c', `echo ${name} >> log; ${script}; code=$?; echo /${name} >> log; exit $code`] as const
  return {
    file: join(directory, 'up'),
    log: () => readFileSync(log, 'utf8').trim().split('\n'),
    run: (scripts = {}, more = {}) =>
      startActivation(
        scope,
        createCommandActivator({
          start: words('start', scripts.start ?? 'touch up'),
          stop: words('stop', scripts.stop ?? 'rm -f up'),
          isUp: words('isUp', scripts.isUp ?? 'test -e up'),
          intervalMs: 10,
          readyMs: 20,
          workdir: directory,
          endpoints: [],
          ...more,
        }),
      ),
  }
}

describe('a service by commands', () => {
  it('is started, asked after and stopped, one command at a time', async () => {
    const it = service(testScope())
    const run = it.run()
    await run.ready
    expect(run.activation.pid).toBeNull()
    await eventually('some looks', () => it.log().length > 12)
    run.activation.stop()
    run.activation.stop()
    expect(await run.ended).toEqual({ message: 'was stopped', code: null, signal: null, tail: [] })
    expect(existsSync(it.file)).toBe(false)
    const said = it.log()
    expect(said.slice(0, 6)).toEqual(['isUp', '/isUp', 'start', '/start', 'isUp', '/isUp'])
    expect(said.filter((line) => line.endsWith('start'))).toEqual(['start', '/start'])
    expect(said.filter((line) => line.endsWith('stop'))).toEqual(['stop', '/stop'])
    // At most the look that was killed for it has no end.
    for (const [n, line] of said.entries()) if (line.startsWith('/')) expect(`/${said[n - 1]}`).toBe(line)
  })

  it('that is up already is not started', async () => {
    const it = service(testScope())
    writeFileSync(it.file, '')
    await it.run().ready
    expect(it.log()).not.toContain('start')
  })

  it('that its command cannot start has failed, with the last words of the command', async () => {
    const run = service(testScope()).run({ start: 'echo no image >&2; exit 3' })
    const { message, code, tail } = await run.ended
    expect(message).toMatch(/^could not be started: 'sh -c .*' exited with code 3$/)
    expect(code).toBe(3)
    expect(tail).toEqual(['no image'])
  })

  it('that is not there any more has ended', async () => {
    const it = service(testScope())
    const run = it.run()
    await run.ready
    rmSync(it.file)
    expect((await run.ended).message).toMatch(/^is not up any more: '.*' says so$/)
    expect(it.log()).not.toContain('stop')
  })

  it('that is not there for one look has not ended', async () => {
    const it = service(testScope())
    const run = it.run({ isUp: 'test -e up || { touch up; exit 1; }', start: 'true' })
    await run.ready
    rmSync(it.file)
    await eventually('that it is back', () => existsSync(it.file))
    const looks = it.log().length
    await eventually('more looks', () => it.log().length > looks + 6)
    expect(run.counts).toEqual({ ready: 1, ended: 0 })
  })

  it('is waited for until it is down', async () => {
    const it = service(testScope())
    const run = it.run({ stop: 'true' })
    await run.ready
    run.activation.stop()
    await eventually(
      'a look after the stop',
      () => it.log().lastIndexOf('/isUp') > it.log().indexOf('/stop') && it.log().includes('/stop'),
    )
    expect(run.counts.ended).toBe(0)
    rmSync(it.file)
    expect((await run.ended).message).toBe('was stopped')
  })

  it('whose start hangs can be stopped: the start is killed first', async () => {
    const it = service(testScope())
    const run = it.run({ start: 'touch up; sleep 60' })
    await eventually('the start', () => existsSync(it.file))
    expect(await run.activation.diagnose?.()).toMatch(/has not ended$/)
    run.activation.stop()
    expect((await run.ended).message).toBe('was stopped')
    expect(it.log()).not.toContain('/start')
    expect(run.counts).toEqual({ ready: 0, ended: 1 })
  })

  it('whose stop hangs is stopped once more when it is killed', async () => {
    const it = service(testScope())
    const run = it.run({ stop: 'if test -e again; then rm up; else touch again; sleep 60; fi' })
    await run.ready
    run.activation.stop()
    await eventually('the stop', () => it.log().includes('stop'))
    await eventually('that it hangs', () => existsSync(join(it.file, '../again')))
    run.activation.kill()
    expect((await run.ended).message).toBe('was stopped')
    expect(it.log().filter((line) => line === 'stop')).toHaveLength(2)
  })

  it('stopped at once is never started', async () => {
    const it = service(testScope())
    const run = it.run()
    run.activation.stop()
    expect((await run.ended).message).toBe('was stopped')
    expect(it.log()).not.toContain('start')
  })

  it('whose commands are not there says so before anything is run', async () => {
    const it = service(testScope())
    const run = it.run({}, { stop: ['no-such-command'] })
    expect((await run.ended).message).toBe(
      "could not be started: there is no command 'no-such-command' in PATH",
    )
    expect(it.log()).toEqual([''])
  })

  it('cannot be asked to notify', async () => {
    const open = () => Promise.reject(new Error('not asked'))
    expect((await service(testScope()).run({}, { ready: { by: 'notify', open } }).ended).message).toMatch(
      /expected connect, output or command$/,
    )
  })
})

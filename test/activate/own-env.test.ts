import { expect, it } from 'vitest'
import { ownEnv } from '../../src/activate/own-env.js'
import { testScope } from '../support/scope.js'

it('leaves out what a manager of services has told this process alone', () => {
  const scope = testScope()
  for (const name of ['NOTIFY_SOCKET', 'LISTEN_FDS', 'LISTEN_PID', 'WATCHDOG_USEC', 'TIDE']) {
    const before = process.env[name]
    scope.defer(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
    process.env[name] = '1'
  }
  const env = ownEnv()
  expect(env.TIDE).toBe('1')
  expect(env.PATH).toBe(process.env.PATH)
  for (const name of ['NOTIFY_SOCKET', 'LISTEN_FDS', 'LISTEN_PID', 'WATCHDOG_USEC'])
    expect(env).not.toHaveProperty(name)
})

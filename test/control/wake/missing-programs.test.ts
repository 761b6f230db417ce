import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/parse.js'
import { missingPrograms } from '../../../src/control/wake/missing-programs.js'

const missingOf = (wake: object): readonly string[] => {
  const upstreams = { it: { endpoints: ['127.0.0.1:1'], wake }, plain: '127.0.0.1:2' }
  const config = parseConfig({ listeners: [{ listen: '127.0.0.1:0', upstream: 'it' }], upstreams })
  return missingPrograms(config).map(({ upstream, message }) => `${upstream}: ${message}`)
}

describe('what starts the services', () => {
  it.each<[object, string]>([
    [{ exec: ['no-such-command'] }, "it: there is no command 'no-such-command' in PATH"],
    [{ exec: ['/no/such/program'] }, "it: there is no program '/no/such/program'"],
    [{ exec: ['/etc/passwd'] }, "it: '/etc/passwd' is not executable"],
    [{ exec: ['sh'], workdir: '/no/such' }, "it: cannot run 'sh': there is no directory '/no/such'"],
    [{ exec: ['sh'], env: { PATH: '/no/such' } }, "it: there is no command 'sh' in PATH"],
    [
      { command: { start: ['sh', 'x'], stop: ['no-such-stop'], isUp: ['no-such-check'] } },
      "it: there is no command 'no-such-stop' in PATH",
    ],
  ])('%j is missing', (wake, line) => {
    expect(missingOf(wake)).toEqual([line])
  })

  it.each([
    { exec: ['sh', '/no/such/script'] },
    { exec: ['/bin/sh'], env: { PATH: '' } },
    { exec: ['./sh'], workdir: '/bin' },
    { command: { start: ['sh'], stop: ['sh'], isUp: ['sh'] } },
  ])('%j is there', (wake) => {
    expect(missingOf(wake)).toEqual([])
  })
})

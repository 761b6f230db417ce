import { describe, expect, it } from 'vitest'
import { dialError, dialTimeout, hookError, listenError } from '../../../src/engine/shared/errors.js'
import { TidegateError } from '../../../src/errors.js'

const at = { kind: 'tcp', host: '127.0.0.1', port: 80 } as const
const failed = (code: string): Error => Object.assign(new Error(`connect ${code} 127.0.0.1:80`), { code })

describe('the translation of system errors', () => {
  it.each([
    ['ECONNREFUSED', 'connection_refused', 'peer', true],
    ['EHOSTUNREACH', 'dial_failed', 'peer', true],
    ['ENOTFOUND', 'name_not_found', 'usage', false],
    ['EACCES', 'permission_denied', 'system', false],
    ['EMFILE', 'dial_failed', 'system', true],
  ] as const)('a dial that meets %s is %s', (errno, code, fault, retryable) => {
    const error = dialError(at, failed(errno))
    expect(error).toMatchObject({ code, fault, retryable, errno, where: '127.0.0.1:80' })
    expect(error.message).toMatch(
      new RegExp(`^cannot connect to 127\\.0\\.0\\.1:80: [^\\n]+ \\(${errno}\\)$`),
    )
  })

  it.each([
    ['EADDRINUSE', 'address_in_use'],
    ['EACCES', 'permission_denied'],
    ['ENOTFOUND', 'name_not_found'],
    ['EADDRNOTAVAIL', 'listen_failed'],
  ] as const)('a listener that meets %s is %s', (errno, code) => {
    const error = listenError(at, failed(errno))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(new RegExp(`^cannot listen on 127\\.0\\.0\\.1:80: [^\\n]+ \\(${errno}\\)$`))
  })

  it('an error nobody has thought of keeps its own words', () => {
    const error = dialError(at, failed('EWEIRD'))
    expect(error.code).toBe('dial_failed')
    expect(error.message).toBe('cannot connect to 127.0.0.1:80: connect EWEIRD 127.0.0.1:80')
  })

  it('a name with several addresses fails with the error of the first', () => {
    const cause = new AggregateError([failed('ECONNREFUSED'), failed('ENETUNREACH')], '')
    expect(dialError(at, cause)).toMatchObject({ code: 'connection_refused', cause })
  })

  it('a dial timeout says how long', () => {
    expect(dialTimeout(at, 5000).message).toBe('cannot connect to 127.0.0.1:80: no answer within 5000 ms')
  })

  it("an observer's own TidegateError stands as it is", () => {
    const own = new TidegateError('write_failed', 'the disk is full', { fault: 'system' })
    expect(hookError('onData', own)).toBe(own)
    expect(hookError('onData', new Error('oops')).message).toBe('onData failed: oops')
  })
})

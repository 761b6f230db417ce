import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ResetConfig } from '../../../src/config/config.js'
import { whyUnclean } from '../../../src/control/upstreams/reset-exchange.js'
import type { Conn, UpstreamLeft } from '../../../src/ports/engine.js'
import { PeerConn } from '../peer-conn.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const RESET: ResetConfig = {
  send: [bytes('RESET '), bytes('\n')],
  expect: [bytes('+'), bytes('\n')],
  timeoutMs: 1000,
}

const isProvenClean = async (conn: Conn, reset: ResetConfig): Promise<boolean> =>
  (await whyUnclean(conn, reset)) === null

/** An upstream that answers what it is asked with the pieces that `answer` makes of the nonce. */
class Asked extends PeerConn {
  readonly asked: string[] = []
  wasDestroyed = false
  afterwards: UpstreamLeft = 'clean'
  readonly #answer: (nonce: string) => readonly string[]

  constructor(answer: (nonce: string) => readonly string[]) {
    super()
    this.#answer = answer
  }

  override write(sent?: Uint8Array): Promise<void> {
    const text = new TextDecoder().decode(sent)
    this.asked.push(text)
    this.send(...this.#answer(text.slice('RESET '.length, -1)).map(bytes))
    return Promise.resolve()
  }

  override read(maxBytes: number): Promise<Uint8Array> {
    return super.read(maxBytes, 2 ** 30)
  }

  override confirm(): UpstreamLeft {
    return this.afterwards
  }

  override destroy(): void {
    this.wasDestroyed = true
    super.reset()
  }
}

const outcome = async (answer: (nonce: string) => readonly string[]): Promise<boolean> =>
  isProvenClean(new Asked(answer), RESET)

describe('a reset exchange', () => {
  it('proves a connection whose upstream sends exactly what is expected', async () => {
    const conn = new Asked((nonce) => [`+${nonce}\n`])
    expect(await isProvenClean(conn, RESET)).toBe(true)
    expect(conn.wasDestroyed).toBe(false)
    expect(conn.asked).toHaveLength(1)
    expect(conn.asked[0]).toMatch(/^RESET [0-9a-f]{16}\n$/)
  })

  it('takes the answer in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 17 }), { maxLength: 6 }), async (cuts) => {
        const pieces = (text: string): readonly string[] => {
          const at = [0, ...new Set(cuts.map((cut) => Math.min(cut, text.length))), text.length].sort(
            (a, b) => a - b,
          )
          return at.slice(1).map((end, n) => text.slice(at[n], end))
        }
        expect(await outcome((nonce) => pieces(`+${nonce}\n`))).toBe(true)
      }),
    )
  })

  it('proves nothing by an answer that differs anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 17 }), fc.integer({ min: 1, max: 127 }), async (at, flip) => {
        const wrong = (nonce: string): readonly string[] => {
          const answer = `+${nonce}\n`
          return [
            answer.slice(0, at) + String.fromCharCode(answer.charCodeAt(at) ^ flip) + answer.slice(at + 1),
          ]
        }
        expect(await outcome(wrong)).toBe(false)
      }),
    )
  })

  it.each<[string, (nonce: string) => readonly string[]]>([
    ['something before the answer', (nonce) => ['late reply\n', `+${nonce}\n`]],
    ['one byte before the answer', (nonce) => [`!+${nonce}\n`]],
    ['a nonce of its own', () => ['+0123456789abcdef\n']],
    ['the template as it is written', () => ['+{nonce}\n']],
  ])('proves nothing by %s', async (_, answer) => {
    expect(await outcome(answer)).toBe(false)
  })

  it.each<UpstreamLeft>(['unread', 'half_closed', 'failed'])(
    'proves nothing when the connection is %s behind the right answer',
    async (left) => {
      const conn = new Asked((nonce) => [`+${nonce}\n`])
      conn.afterwards = left
      expect(await isProvenClean(conn, RESET)).toBe(false)
    },
  )

  it.each(['end', 'reset'] as const)('proves nothing when the upstream leaves by %s', async (how) => {
    for (const said of [0, 1, 17]) {
      const conn = new Asked((nonce) => [`+${nonce}\n`.slice(0, said)])
      const proven = isProvenClean(conn, RESET)
      await turn()
      conn.leave(how)
      expect(await proven).toBe(false)
    }
  })

  it('has another nonce each time', async () => {
    const conn = new Asked((nonce) => [`+${nonce}\n`])
    for (let n = 0; n < 100; n++) expect(await isProvenClean(conn, RESET)).toBe(true)
    expect(new Set(conn.asked).size).toBe(100)
  })

  it('takes no answer to an earlier one', async () => {
    const nonces: string[] = []
    const conn = new Asked((nonce) => {
      nonces.push(nonce)
      return [`+${nonces[0]}\n`]
    })
    expect(await isProvenClean(conn, RESET)).toBe(true)
    expect(await isProvenClean(conn, RESET)).toBe(false)
  })

  describe('in time', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
    afterEach(() => void vi.useRealTimers())

    it.each([0, 1, 17])('ends when the upstream is silent after %i bytes', async (said) => {
      const conn = new Asked((nonce) => [`+${nonce}\n`.slice(0, said)])
      const proven = isProvenClean(conn, RESET)
      await vi.advanceTimersByTimeAsync(999)
      expect(conn.wasDestroyed).toBe(false)
      await vi.advanceTimersByTimeAsync(1)
      expect(conn.wasDestroyed).toBe(true)
      expect(await proven).toBe(false)
    })

    it('ends though a byte comes now and then', async () => {
      let nonce = ''
      const conn = new Asked((asked) => {
        nonce = asked
        return []
      })
      const proven = isProvenClean(conn, RESET)
      for (const byte of `+${nonce}\n`.slice(0, 10)) {
        conn.send(bytes(byte))
        await vi.advanceTimersByTimeAsync(100)
      }
      expect(await proven).toBe(false)
      expect(conn.wasDestroyed).toBe(true)
    })

    it('ends when the upstream does not take the question', async () => {
      const conn = new Asked(() => [])
      let abort: (error: Error) => void = () => {}
      conn.write = () =>
        new Promise((_, reject) => {
          abort = reject
        })
      conn.destroy = () => abort(new Error('destroyed'))
      const proven = isProvenClean(conn, RESET)
      await vi.advanceTimersByTimeAsync(1000)
      expect(await proven).toBe(false)
    })

    it('leaves no timer behind, whatever came of it', async () => {
      expect(await outcome((nonce) => [`+${nonce}\n`])).toBe(true)
      expect(await outcome(() => ['wrong, and long enough'])).toBe(false)
      expect(vi.getTimerCount()).toBe(0)
    })
  })
})

import { describe, expect, it } from 'vitest'
import { compileRedaction } from '../../../src/core/redact/redaction.js'
import { allCuts, bytesOf, cutAt, latin1Of, redacted, redactedChunks, rule } from './support.js'

const HELD_LIMIT = 65_536

/** What comes out, each piece by itself, `<…>` where it is the caller's own chunk. */
const pieces = () => {
  const list: string[] = []
  let own: Uint8Array | null = null
  const out = (bytes: Uint8Array, from: number, to: number): void => {
    const text = latin1Of(bytes.subarray(from, to))
    list.push(bytes === own ? `<${text}>` : text)
  }
  return {
    list,
    out,
    push: (stream: ReturnType<ReturnType<typeof compileRedaction>['stream']>, text: string): string[] => {
      own = bytesOf(text)
      list.length = 0
      stream.push(own, out)
      return [...list]
    },
  }
}

describe('all matches are masked', () => {
  it('of the same length as they were, and nothing else', () => {
    expect(redacted(compileRedaction([rule('secret')]), 'a secret, secretsecret')).toBe(
      'a ******, ************',
    )
  })

  it('those that overlap', () => {
    expect(redacted(compileRedaction([rule('aba')]), 'xababax')).toBe('x*****x')
  })

  it('the longest from each place', () => {
    expect(redacted(compileRedaction([rule('a|ab|abcd')]), 'abc abcd')).toBe('**c ****')
  })

  it('of all rules', () => {
    expect(redacted(compileRedaction([rule('ab'), rule('bc'), rule('z')]), 'abcz ac')).toBe('**** ac')
  })

  it('those inside a longer candidate that comes to nothing', () => {
    expect(redacted(compileRedaction([rule('abcdefX'), rule('cd')]), 'abcdefY')).toBe('ab**efY')
  })

  it('with a mask of choice', () => {
    expect(redacted(compileRedaction([rule('b')], 0), 'abc')).toBe('a\0c')
  })

  it('of no rules: none', () => {
    expect(redacted(compileRedaction([]), 'abc')).toBe('abc')
  })
})

describe('with `after`', () => {
  it('only what follows directly is masked, and not `after` itself', () => {
    const redaction = compileRedaction([rule('\\w+', { after: 'AUTH ' })])
    expect(redacted(redaction, 'AUTH secret word AUTH  no')).toBe('AUTH ****** word AUTH  no')
  })

  it('every end of a match of `after` counts', () => {
    expect(redacted(compileRedaction([rule('b', { after: 'a+b?' })]), 'aabb')).toBe('aa**')
  })

  it('what is secret may itself be `after`', () => {
    expect(redacted(compileRedaction([rule('a', { after: 'a' })]), 'aaaba')).toBe('a**ba')
  })

  it('nothing is held while `after` is being matched', () => {
    const stream = compileRedaction([rule('\\w+', { after: 'a[^\\n]*:' })]).stream()
    const { push } = pieces()
    expect(push(stream, 'xa--')).toEqual(['<xa-->'])
    expect(push(stream, '-:')).toEqual(['<-:>'])
    expect(push(stream, 'se')).toEqual(['**'])
    expect(stream.held).toBe(0)
  })
})

describe('what is held', () => {
  it('is what may still become part of a match, until that is decided', () => {
    const stream = compileRedaction([rule('abc')]).stream()
    const { push } = pieces()
    expect(push(stream, 'xa')).toEqual(['<x>'])
    expect(stream.held).toBe(1)
    expect(push(stream, 'b')).toEqual([])
    expect(stream.held).toBe(2)
    expect(push(stream, 'ax')).toEqual(['ab', '<ax>'])
    expect(push(stream, 'ab')).toEqual([])
    expect(push(stream, 'cd')).toEqual(['**', '*', '<d>'])
    expect(stream.held).toBe(0)
  })

  it('is nothing once a match is sure, however long it goes on', () => {
    const stream = compileRedaction([rule('k=[^;]+')]).stream()
    const { push } = pieces()
    expect(push(stream, 'k=')).toEqual([])
    expect(push(stream, 'v')).toEqual(['**', '*'])
    for (let turn = 0; turn < 3; turn += 1) expect(push(stream, 'vvvv')).toEqual(['****'])
    expect(push(stream, ';v')).toEqual(['<;v>'])
  })

  it('is what came after the last match of one that may go on', () => {
    const stream = compileRedaction([rule('a(?:-*a)*')]).stream()
    const { push } = pieces()
    expect(push(stream, 'a--')).toEqual(['*'])
    expect(stream.held).toBe(2)
    expect(push(stream, '-a-')).toEqual(['**', '**'])
    expect(push(stream, 'x')).toEqual(['-', '<x>'])
  })

  it('comes out at the end as if nothing followed', () => {
    const stream = compileRedaction([rule('abc|b')]).stream()
    const { push, list, out } = pieces()
    expect(push(stream, 'ab')).toEqual([])
    list.length = 0
    stream.end(out)
    expect(list).toEqual(['a*'])
    expect(stream.held).toBe(0)
  })

  it('and the end again gives nothing', () => {
    const stream = compileRedaction([rule('ab')]).stream()
    const { list, out } = pieces()
    stream.push(bytesOf('a'), out)
    stream.end(out)
    stream.end(out)
    expect(list).toEqual(['a'])
  })

  it('a new stream begins after an end: nothing from before a hole counts', () => {
    const stream = compileRedaction([rule('ab'), rule('z', { after: 'y' })]).stream()
    const { list, out, push } = pieces()
    for (const [before, behind] of [
      ['a', 'b'],
      ['y', 'z'],
    ]) {
      push(stream, before ?? '')
      stream.end(out)
      expect(push(stream, behind ?? '')).toEqual([`<${behind}>`])
    }
    expect(list).toEqual(['<z>'])
    expect(push(stream, 'ab')).toEqual(['**'])
  })

  it('streams of one redaction know nothing of one another', () => {
    const redaction = compileRedaction([rule('ab')])
    const [one, other] = [redaction.stream(), redaction.stream()]
    const { push } = pieces()
    expect(push(one, 'a')).toEqual([])
    expect(push(other, 'b')).toEqual(['<b>'])
    expect(push(one, 'b')).toEqual(['*', '*'])
  })

  it('empty chunks change nothing', () => {
    const redaction = compileRedaction([rule('ab')])
    expect(redactedChunks(redaction, cutAt('xabx', [0, 0, 2, 2, 2, 4]))).toBe('x**x')
  })
})

describe('an undecided candidate', () => {
  const redaction = compileRedaction([rule('<[^>]*>')])

  it('is held up to 65,536 bytes', () => {
    const stream = redaction.stream()
    const { push } = pieces()
    expect(push(stream, `<${'a'.repeat(HELD_LIMIT - 1)}`)).toEqual([])
    expect(stream.held).toBe(HELD_LIMIT)
    expect(push(stream, '>').join('')).toBe('*'.repeat(HELD_LIMIT + 1))
  })

  it.each([7, 1_000, HELD_LIMIT, HELD_LIMIT + 1, 1_000_000])(
    'that grows beyond it is masked, in chunks of %i bytes',
    (size) => {
      const text = `x<${'a'.repeat(HELD_LIMIT + 99)}`
      const chunks = cutAt(
        text,
        Array.from({ length: Math.floor((text.length - 1) / size) }, (_, index) => (index + 1) * size),
      )
      expect(redactedChunks(redaction, chunks)).toBe(`x${'*'.repeat(HELD_LIMIT + 1)}${'a'.repeat(99)}`)
    },
  )

  it('and goes on: its end is still found, and it is masked again and again', () => {
    const long = 'a'.repeat(3 * HELD_LIMIT)
    expect(redacted(redaction, `<${long}>b`)).toBe(`${'*'.repeat(long.length + 2)}b`)
    const tail = redacted(redaction, `<${long}`).slice(3 * (HELD_LIMIT + 1))
    expect(tail).toBe('')
  })

  it('takes along only what is behind its start', () => {
    const two = compileRedaction([rule('<[^>]*>'), rule('b')])
    expect(redacted(two, `b.<${'a'.repeat(HELD_LIMIT)}.`)).toBe(`*.${'*'.repeat(HELD_LIMIT + 1)}.`)
  })
})

describe('a canary', () => {
  const SECRET = 'canary-7d1f'
  const redaction = compileRedaction([
    rule(SECRET),
    rule('[^\\r\\n]+', { after: 'AUTH ' }),
    rule('(?:[^"\\\\]|\\\\.)+', { after: '"password": *"' }),
  ])

  it.each([`a ${SECRET}.`, `AUTH ${SECRET}\r\nGET x\r\n`, `{"password": "x${SECRET}\\"y", "a": 1}`])(
    'in %j never shows, cut at every two places',
    (text) => {
      const whole = redacted(redaction, text)
      expect(whole).not.toContain(SECRET)
      expect(whole).toHaveLength(text.length)
      for (let one = 0; one <= text.length; one += 1) {
        for (let two = one; two <= text.length; two += 1) {
          expect(redactedChunks(redaction, cutAt(text, [one, two]))).toBe(whole)
        }
      }
    },
  )

  it('nor cut in every way', () => {
    const short = compileRedaction([rule('key'), rule('.+', { after: 'A=' })])
    for (const chunks of allCuts('xkeyA=key')) {
      expect(redactedChunks(short, chunks)).toBe('x***A=***')
    }
  })
})

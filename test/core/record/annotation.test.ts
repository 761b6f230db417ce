import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLOSE_REASONS, type CloseReason } from '../../../src/core/close-reason.js'
import { type Annotation, decodeAnnotation, encodeAnnotation } from '../../../src/core/record/annotation.js'

const count = fc.maxSafeNat()
const direction = fc.constantFrom('upstream' as const, 'downstream' as const)
const reason = fc.constantFrom(...(Object.keys(CLOSE_REASONS) as CloseReason[]))
const lostRange = fc.record({ at: count, length: count, why: fc.string() }, { noNullPrototype: true })
const ledger = fc.record(
  { seen: count, stored: count, lost: fc.array(lostRange, { maxLength: 3 }) },
  { noNullPrototype: true },
)
const text = fc.string({ unit: 'binary' })

const annotation: fc.Arbitrary<Annotation> = fc.oneof(
  fc.record(
    { kind: fc.constant('open' as const), id: count, listener: text, client: text, server: text },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('gap' as const), direction, at: count, length: count, why: text },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('close' as const), id: count, reason, upstream: ledger, downstream: ledger },
    { noNullPrototype: true },
  ),
)

describe('annotations', () => {
  it('are one line of text that reads back the same', () => {
    fc.assert(
      fc.property(annotation, (value) => {
        const comment = encodeAnnotation(value)
        expect(comment).not.toContain('\n')
        expect(decodeAnnotation(comment)).toEqual(value)
      }),
    )
  })

  it('look in a packet list as documented', () => {
    expect(
      encodeAnnotation({ kind: 'gap', direction: 'upstream', at: 10, length: 5, why: 'overload: dropped' }),
    ).toBe('tidegate gap {"direction":"upstream","at":10,"length":5,"why":"overload: dropped"}')
  })

  it.each([
    'a comment of a user',
    'tidegate',
    'tidegate open',
    'tidegate open {}',
    'tidegate open {"id":-1,"listener":"a","client":"b","server":"c"}',
    'tidegate open {"id":1.5,"listener":"a","client":"b","server":"c"}',
    'tidegate open {"id":1,"listener":"a","client":"b"}',
    'tidegate open [1]',
    'tidegate open {"id":1,',
    'tidegate gap {"direction":"sideways","at":0,"length":1,"why":""}',
    'tidegate gap {"direction":"upstream","at":"0","length":1,"why":""}',
    'tidegate close {"id":1,"reason":"toString","upstream":{"seen":0,"stored":0,"lost":[]},"downstream":{"seen":0,"stored":0,"lost":[]}}',
    'tidegate close {"id":1,"reason":"killed","upstream":{"seen":0,"stored":0,"lost":[{"at":0}]},"downstream":{"seen":0,"stored":0,"lost":[]}}',
    'tidegate close {"id":1,"reason":"killed","upstream":null,"downstream":null}',
    'tidegate reopen {"id":1}',
    ' tidegate gap {"direction":"upstream","at":0,"length":1,"why":""}',
  ])('%s is none of ours', (comment) => {
    expect(decodeAnnotation(comment)).toBeNull()
  })

  it('unknown fields of later versions are passed over', () => {
    const comment = 'tidegate gap {"direction":"upstream","at":0,"length":1,"why":"x","later":true}'
    expect(decodeAnnotation(comment)).toEqual({
      kind: 'gap',
      direction: 'upstream',
      at: 0,
      length: 1,
      why: 'x',
    })
  })

  it('any change of a comment gives an annotation or null, never an exception', () => {
    fc.assert(
      fc.property(annotation, fc.nat(), text, (value, at, inserted) => {
        const comment = encodeAnnotation(value)
        const cut = at % (comment.length + 1)
        const decoded = decodeAnnotation(
          comment.slice(0, cut) + inserted + comment.slice(cut + inserted.length),
        )
        expect(decoded === null || ['open', 'gap', 'close'].includes(decoded.kind)).toBe(true)
      }),
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientName, MAX_SAFE_NAME, safeName } from '../../../../src/core/record/files/safe-name.js'
import {
  expandTemplate,
  isTemplate,
  numberedName,
  parseTemplate,
  seriesOf,
  templateName,
  templateProblem,
} from '../../../../src/core/record/files/template.js'

const AT = Date.UTC(2026, 0, 2, 3, 4, 5)
const VALUES = { client: '10.0.0.7', listener: 'redis' }

const pathOf = (text: string, values = VALUES): string => {
  const template = parseTemplate(text)
  const { folders, stem } = expandTemplate(template, AT, values)
  return [template.base, ...folders, numberedName(stem, 0, template.extension)].join('/')
}

describe('a path template', () => {
  it.each([
    ['recordings/', 'recordings/20260102T030405Z.pcapng'],
    ['/', '//20260102T030405Z.pcapng'],
    ['redis-%Y%m%d.pcapng', './redis-20260102.pcapng'],
    ['/a/b/%Y/%m/%d/{client}-%H%M%S.pcapng', '/a/b/2026/01/02/10.0.0.7-030405.pcapng'],
    ['{listener}/{client}.pcapng', './redis/10.0.0.7.pcapng'],
    ['100%%.pcapng', './100%.pcapng'],
    ['../elsewhere/%Y.pcapng', '../elsewhere/2026.pcapng'],
    ['plain.pcapng', './plain.pcapng'],
    ['{client}', './10.0.0.7'],
  ])('%s is %s', (text, expected) => {
    expect(templateProblem(text)).toBe(null)
    expect(pathOf(text)).toBe(expected)
  })

  it.each([
    ['rec/{Client}.pcapng', "'{Client}' is no placeholder", 'one of %Y'],
    ['rec/{client.pcapng', "'{client.pcapng' is no placeholder", 'one of %Y'],
    ['rec/%y.pcapng', "'%y' is no placeholder", 'one of %Y'],
    ['rec/100%', "'%' is no placeholder", 'one of %Y'],
    ['rec/%Y/../../x.pcapng', "'..' after a placeholder", 'before the first placeholder'],
    ['rec/{client}/../../../etc/x.pcapng', "'..' after a placeholder", 'before the first placeholder'],
    ['rec/%Y//x.pcapng', "'//'", 'the name of a folder'],
    ['rec/%Y/./x.pcapng', "'.' as a folder", 'the name of a folder'],
    ['rec/%Y\0.pcapng', 'a NUL in it', 'a path'],
    ['', 'an empty path', 'the path of a file'],
    [`rec/%Y${'x'.repeat(240)}.pcapng`, 'is too long for a name', 'at most 239 bytes'],
    ['rec/{client}{client}{client}{client}.pcapng', 'is too long for a name', 'counts as 64'],
    ['rec/%Y.pcapng.gz', "'.gz' at its end", 'compress: gzip or zstd'],
  ])('%j is refused', (text, lead, expected) => {
    const problem = templateProblem(text)
    expect(problem?.lead).toContain(lead)
    expect(problem?.expected).toContain(expected)
  })

  it('is told from the path of one file', () => {
    expect(['a/b.pcapng', 'x', '/dev/stdout'].filter(isTemplate)).toEqual([])
    const many = ['a/', 'a%Y', '{client}', 'x{']
    expect(many.filter(isTemplate)).toEqual(many)
  })

  it('numbers a name before its extension', () => {
    expect(numberedName('a.b', 12, '.pcapng')).toBe('a.b-12.pcapng')
    expect(parseTemplate('a.b/%Y.d/x').extension).toBe('')
    expect(parseTemplate('.hidden').extension).toBe('')
  })

  it('knows its own files again, and no others', () => {
    const member = seriesOf(parseTemplate('/rec/%Y/{client}-%m.pcapng'))
    expect(member('2026/10.0.0.7-01.pcapng')).toEqual({ compressed: null, partial: false })
    expect(member('2026/10.0.0.7-01-3.pcapng')).toEqual({ compressed: null, partial: false })
    expect(member('2026/2001_db8__1-01.pcapng.gz')).toEqual({ compressed: 'gzip', partial: false })
    expect(member('2026/unix-01.pcapng.zst.part')).toEqual({ compressed: 'zstd', partial: true })
    for (const other of [
      '2026/.x-01.pcapng',
      '26/10.0.0.7-01.pcapng',
      '2026/10.0.0.7-01.pcap',
      '2026/10.0.0.7-01.pcapng.bak',
      '2026/a/10.0.0.7-01.pcapng',
      '10.0.0.7-01.pcapng',
      '2026/10.0.0.7-01xpcapng',
      '2026/10.0.0.7-01.pcapng.part',
    ])
      expect(member(other), other).toBe(null)
  })

  it('knows what became of a file, also where its name has no extension', () => {
    const member = seriesOf(parseTemplate('/rec/{client}'))
    expect(member('10.0.0.7')).toEqual({ compressed: null, partial: false })
    expect(member('10.0.0.7.gz')).toEqual({ compressed: 'gzip', partial: false })
    expect(member('10.0.0.7-2.zst')).toEqual({ compressed: 'zstd', partial: false })
    expect(member('10.0.0.7.gz.part')).toEqual({ compressed: 'gzip', partial: true })
  })

  it('has one name, however it is written', () => {
    const nameOf = (text: string) => templateName(parseTemplate(text))
    expect(nameOf('rec/')).toBe('%Y%m%dT%H%M%SZ.pcapng')
    for (const same of ['rec/%Y%m%dT%H%M%SZ.pcapng', './', '%Y%m%dT%H%M%SZ.pcapng'])
      expect(nameOf(same), same).toBe(nameOf('rec/'))
    expect(nameOf('rec/%Y/a%%b{client}.x/{listener}')).toBe('%Y/a%%b{client}.x/{listener}')
  })

  it('makes no path that leads out or that it does not know again, whatever clients and listeners are called', () => {
    const template = parseTemplate('base/{listener}/%Y/{client}.pcapng')
    const member = seriesOf(template)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (client, listener) => {
        const { folders, stem } = expandTemplate(template, AT, {
          client: clientName(client),
          listener: safeName(listener),
        })
        const names = [...folders, stem]
        for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/)
        expect(member(`${folders.join('/')}/${stem}.pcapng`)).not.toBe(null)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a value in a name', () => {
  it.each([
    ['../../etc/passwd', '_._.._etc_passwd'],
    ['/abs', '_abs'],
    ['.hidden', '_hidden'],
    ['a\0b', 'a_b'],
    ['', '_'],
    ['..', '_.'],
    ['my listener', 'my_listener'],
  ])('%j is %s', (value, expected) => {
    expect(safeName(value)).toBe(expected)
  })

  it('is bounded, and still tells apart what was cut', () => {
    const [a, b] = [safeName(`${'x'.repeat(500)}a`), safeName(`${'x'.repeat(500)}b`)]
    expect(a).toHaveLength(MAX_SAFE_NAME)
    expect(a).not.toBe(b)
  })

  it.each([
    ['10.0.0.7:4711', '10.0.0.7'],
    ['[2001:db8::1]:80', '2001_db8__1'],
    ['[::ffff:10.0.0.7]:80', '10.0.0.7'],
    ['[fe80::1%eth0]:80', 'fe80__1_eth0'],
    ['unix:', 'unix'],
    ['unix:/run/../x', 'unix'],
  ])('the client %s is %s', (address, expected) => {
    expect(clientName(address)).toBe(expected)
  })
})

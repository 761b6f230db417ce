import * as zlib from 'node:zlib'
import { expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse.js'

const messageOf = (record: object): string => {
  try {
    parseConfig({ listeners: [{ listen: ':1', upstream: 'localhost:2' }], record } as never, 'test')
    return 'none'
  } catch (error) {
    return (error as Error).message
  }
}

it.each([
  [
    { file: 'a/{clients}.pcapng' },
    "record.file: 'a/{clients}.pcapng': '{clients}' is no placeholder; expected one of %Y %m %d %H %M %S %% {client} {listener}; did you mean '{client}'?",
  ],
  [{ file: 'a/{client}/../x.pcapng' }, "'..' after a placeholder may lead out of its folder"],
  [{ file: 'a/', keep: { files: 3 } }, 'record.keep: given, but without rotate no file is ever closed'],
  [{ file: 'a/', rotate: { size: '1KiB' } }, 'record.rotate.size: '],
])('%j is refused', (record, message) => {
  expect(messageOf(record)).toContain(message)
})

it('tells of a NUL once, whatever else the path is', () => {
  for (const file of ['a\0b', 'a\0/', 'a/{client}\0.pcapng'])
    expect(messageOf({ file })).toBe(
      `test: record.file: '${file.replace('\0', '\\u0000')}' has a NUL in it; expected a path`,
    )
})

it('refuses zstd where Node has none, and says which has', () => {
  const message = messageOf({ file: 'a/', compress: 'zstd' })
  expect(message).toContain('createZstdCompress' in zlib ? 'none' : "'zstd' needs Node 22.15 or newer")
})

it('knows one file from many', () => {
  const placeOf = (record: object) =>
    parseConfig({ listeners: [{ listen: ':1', upstream: 'localhost:2' }], record } as never, 'test').record
      ?.place
  expect(placeOf({ file: 'a.pcapng' })).toEqual({ kind: 'file', path: 'a.pcapng' })
  expect(placeOf({ file: 'a/' })).toMatchObject({ kind: 'files', template: 'a/', rotateBytes: null })
  expect(placeOf({ file: 'a.pcapng', rotate: { every: '1h' } })).toMatchObject({
    kind: 'files',
    rotateMs: 3_600_000,
  })
})

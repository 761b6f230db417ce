import { describe, expect, it } from 'vitest'
import { parsePostgresUrl } from '../../src/postgres/url.js'

const UUID = '01234567-89ab-cdef-0123-456789abcdef'

const messageFor = (text: string): string => {
  try {
    parsePostgresUrl(text)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a PostgreSQL URL', () => {
  it('has defaults for what is ours', () => {
    expect(parsePostgresUrl('postgres://ann:s3cret@db:5433/traffic?sslmode=disable')).toEqual({
      connection: 'postgres://ann:s3cret@db:5433/traffic?sslmode=disable',
      where: 'postgres://db:5433/traffic',
      schema: 'tidegate',
      timeoutMs: 30_000,
      recording: null,
    })
  })

  it('has options of ours, which the driver does not see', () => {
    const url = `postgresql:///traffic?host=/run/pg&schema=My%20schema&timeout=1.5s&recording=${UUID.toUpperCase()}`
    const { connection, schema, timeoutMs, recording } = parsePostgresUrl(url)
    expect(connection).toBe('postgresql:///traffic?host=%2Frun%2Fpg')
    expect({ schema, timeoutMs, recording }).toEqual({
      schema: 'My schema',
      timeoutMs: 1500,
      recording: UUID,
    })
  })

  it.each([
    ['postgres://u:s3cret@h/db?shcema=x', `postgres://h/db: there is no option 'shcema'`],
    ['postgres://u:s3cret@h/db?schema=', `schema '' is no name`],
    ['postgres://u:s3cret@h/db?schema=pg_x', `begins with pg_`],
    [`postgres://u:s3cret@h/db?schema=${'é'.repeat(32)}`, 'is longer than 63 bytes'],
    ['postgres://u:s3cret@h/db?timeout=5', `'5'`],
    ['postgres://u:s3cret@h/db?timeout=1ms', 'at least 100ms'],
    ['postgres://u:s3cret@h/db?recording=7', `'7' is not a UUID`],
    ['postgres://u:s3cret@h:99999999/db', 'is not a URL'],
    ['mysql://u:s3cret@h/db', 'is not a PostgreSQL URL'],
  ])('%s is a mistake', (url, expected) => {
    expect(messageFor(url)).toContain(expected)
    expect(messageFor(url)).not.toContain('s3cret')
    expect(messageFor(url)).not.toContain('\n')
  })
})

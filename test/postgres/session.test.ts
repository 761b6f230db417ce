import { expect, it } from 'vitest'
import { databaseError } from '../../src/postgres/failure.js'
import { loadPackages } from '../../src/postgres/packages.js'
import { Session } from '../../src/postgres/session.js'
import { parsePostgresUrl } from '../../src/postgres/url.js'
import { POSTGRES_TOOLS, startDatabase } from '../support/database.js'
import { eventually, testScope, within } from '../support/scope.js'
import { describeWith } from '../support/tools.js'

describeWith(POSTGRES_TOOLS, 'a session', () => {
  it('gives up a server that falls silent while its rows are read', async () => {
    const scope = testScope()
    const { database } = await startDatabase(scope)
    const url = parsePostgresUrl(database.url('x', '&timeout=3s'))
    const session = await Session.connect(await loadPackages(), url)
    scope.defer(() => session.destroy(new Error('the test is over')))
    const { rows } = await session.query('SELECT pg_backend_pid() AS pid')
    const pid = Number(rows[0]?.pid)
    const pieces = session.copyOut('COPY (SELECT generate_series(1, 50000000)) TO STDOUT')
    expect((await pieces.next()).value?.length).toBeGreaterThan(0)
    process.kill(pid, 'SIGSTOP')
    scope.defer(() => void process.kill(pid, 'SIGCONT'))
    const readOn = async (): Promise<void> => {
      for await (const _ of pieces);
    }
    await expect(within(20_000, 'an end', readOn())).rejects.toThrow('the server has not answered for 3 s')
    expect(session.isOpen).toBe(false)
  }, 90_000)

  it('says what the server says when it ends the session, and that it is to be tried again', async () => {
    const scope = testScope()
    const { database } = await startDatabase(scope)
    const session = await database.session('x', scope)
    const asked = session.query('SELECT pg_terminate_backend(pg_backend_pid())')
    const failure = await asked.catch((thrown: unknown) => databaseError('cannot write to', 'it', thrown))
    expect(failure).toMatchObject({
      message: expect.stringMatching(/^cannot write to it: the server shuts down \(.*, SQLSTATE 57P01\)$/),
      retryable: true,
    })
    await eventually('the session to be over', () => !session.isOpen)
  }, 90_000)
})

/** Real services that run only while somebody is connected, woken by their own clients. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { runWell } from '../support/processes.js'
import { blockScope, testScope } from '../support/scope.js'
import { nginxCommand } from '../support/servers/nginx.js'
import { makeCluster, POSTGRES_USER, type PostgresCluster } from '../support/servers/postgres.js'
import { redisCommand } from '../support/servers/redis.js'
import { LOOPBACK, lastingPort } from '../support/sockets.js'
import { type ListeningGateway, startWake } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { isStarting, startsOf, stopped } from '../support/waking.js'

const IDLE = ['--idle', '200ms']

/** Two times over: woken by its client, served, stopped because nobody is there any more. */
const expectTwoLives = async (gateway: ListeningGateway, ask: () => Promise<string>, answers: string[]) => {
  expect(startsOf(gateway)).toBe(0)
  for (const [n, answer] of answers.entries()) {
    expect(await ask()).toBe(answer)
    const ends = await stopped(gateway, n + 1)
    expect(ends.at(-1)).toMatchObject({ code: 0, signal: null })
    expect(startsOf(gateway)).toBe(n + 1)
  }
  expect((await gateway.closed(answers.length)).map(({ reason }) => reason)).toEqual(
    answers.map(() => expect.stringMatching(/_fin$/)),
  )
  expect(await gateway.finish()).toBe(0)
  expect(gateway.log.filter(({ level }) => level !== 'info')).toEqual([])
}

describeWith(['redis-server', 'redis-cli'], 'a Redis that runs only while somebody is connected', () => {
  it('is started by redis-cli, stopped when idle, and started again', async () => {
    const ends = testScope()
    const port = await lastingPort()
    const gateway = await startWake(ends, port, redisCommand(ends, port), IDLE)
    const ask = async (): Promise<string> => {
      const args = ['-h', LOOPBACK, '-p', String(gateway.port), 'INCR', 'lives']
      return (await runWell(toolPath('redis-cli'), args)).stdout.toString().trim()
    }
    // It keeps nothing: the second one is another one.
    await expectTwoLives(gateway, ask, ['1', '1'])
  })
})

describeWith(['nginx', 'curl'], 'an nginx that runs only while somebody is connected', () => {
  it('is started by curl, stopped when idle, and started again', async () => {
    const ends = testScope()
    const { command, root, port } = await nginxCommand(ends)
    writeFileSync(join(root, 'page'), 'a page')
    const gateway = await startWake(ends, port, command, IDLE)
    const ask = async (): Promise<string> =>
      (await runWell(toolPath('curl'), ['-fsS', `http://${LOOPBACK}:${gateway.port}/page`])).stdout.toString()
    await expectTwoLives(gateway, ask, ['a page', 'a page'])
  })
})

describeWith(
  ['initdb', 'postgres', 'psql'],
  'a PostgreSQL that runs only while somebody is connected',
  () => {
    const scope = blockScope()
    let cluster: PostgresCluster
    beforeAll(async () => {
      cluster = await makeCluster(scope)
    }, 90_000)

    it('is started by psql as the user it wants to be, stopped its own way when idle, and keeps what it knows', async () => {
      const { port, command, owner } = cluster
      const user = owner === null ? [] : ['--user', owner.name]
      // It accepts before it can serve, and says so to whoever comes too early.
      const ready = ['--ready-output', 'database system is ready to accept connections', '--env', 'LC_ALL=C']
      const flags = [...IDLE, ...user, ...ready, '--stop-signal', 'SIGINT', '--workdir', '/']
      const gateway = await startWake(testScope(), port, command, flags)
      const env = {
        PGHOST: LOOPBACK,
        PGPORT: String(gateway.port),
        PGUSER: POSTGRES_USER,
        PGDATABASE: 'postgres',
        PGSSLMODE: 'disable',
      }
      const psql = async (sql: string): Promise<string> => {
        const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', sql]
        return (await runWell(toolPath('psql'), args, { env })).stdout.toString().trim()
      }
      const ask = (): Promise<string> =>
        psql(
          'create table if not exists lives (); alter table lives add if not exists a int; insert into lives values (1); select count(*) from lives',
        )
      await expectTwoLives(gateway, ask, ['1', '2'])
      const said = gateway.log.filter(({ stream }) => stream !== undefined).map(({ msg }) => msg)
      expect(said.filter((line) => /received fast shutdown request/.test(line))).toHaveLength(2)
      expect(said.filter((line) => /database system was not properly shut down/.test(line))).toEqual([])
      expect(gateway.log.filter(isStarting)).toHaveLength(2)
    }, 60_000)
  },
)

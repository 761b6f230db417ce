import { beforeAll, expect, it } from 'vitest'
import { runWell } from '../support/processes.js'
import {
  expectSameBytes,
  expectSound,
  expectSoundThroughout,
  type ListedConnection,
  listConnections,
} from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { POSTGRES_USER, startPostgres } from '../support/servers/postgres.js'
import { IS_AT_LENGTH } from '../support/setting.js'
import { LOOPBACK } from '../support/sockets.js'
import { type RecordingGateway, startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { expectWitnessed, startWitness } from '../support/witness.js'

const needed = [
  'initdb',
  'postgres',
  'psql',
  'pgbench',
  'tshark',
  ...(process.getuid?.() === 0 ? ['setpriv'] : []),
]

describeWith(needed, 'PostgreSQL through a recording gateway', () => {
  const scope = blockScope()
  let port = 0
  beforeAll(async () => {
    port = await startPostgres(scope)
  }, 90_000)

  /** Without encryption, so that the recording can be read. */
  const environment = ({ port }: { readonly port: number }): Record<string, string> => ({
    PGHOST: LOOPBACK,
    PGPORT: String(port),
    PGUSER: POSTGRES_USER,
    PGDATABASE: 'postgres',
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  })

  it('pgbench initialises and runs eight clients without an error', async () => {
    const ends = testScope()
    const gateway = await startRecorder(ends, port)
    const witness = await startWitness(ends, gateway.port)
    const env = environment(witness)
    await runWell(toolPath('pgbench'), ['--initialize', '--quiet', '--scale=2'], { env })
    const clients = 8
    const load = [`--client=${clients}`, '--jobs=2', `--time=${IS_AT_LENGTH ? 3 : 1}`]
    const report = (await runWell(toolPath('pgbench'), load, { env })).stdout.toString()
    expect(report).toMatch(/number of failed transactions: 0 /)
    expect(Number(/number of transactions actually processed: (\d+)/.exec(report)?.[1])).toBeGreaterThan(
      clients,
    )

    const listed = await allClosed(gateway)
    // One of the initialisation, one that pgbench looks at the tables with, one for each client.
    expect(listed.length).toBe(clients + 2)
    await expectWitnessed(witness, listed, await expectSoundThroughout(gateway.file))
  }, 120_000)

  it('COPY in and out again returns every row, and the recording has them byte for byte', async () => {
    const gateway = await startRecorder(testScope(), port)
    const env = environment(gateway)
    const rows = Array.from({ length: 60_000 }, (_, n) => `${n}\trow ${n} ${'é~'.repeat(n % 40)}\n`).join('')
    const psql = (command: string, input = '') =>
      runWell(toolPath('psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', command], { env, input })
    await psql('create table copied (id int primary key, line text)')
    await psql('copy copied from stdin', rows)
    const { stdout } = await psql('copy (select * from copied order by id) to stdout')
    expectSameBytes(stdout, Buffer.from(rows), 'what psql got back')

    expect(await allClosed(gateway)).toHaveLength(3)
    const streams = [...(await expectSound(gateway.file, [1, 2, 3])).values()]
    // Those of two workers are not in the order in which they were opened: one has rows going in, one going out.
    const copied = {
      in: streams.map(({ upstream }) => copyData(afterStartup(upstream))),
      out: streams.map(({ downstream }) => copyData(downstream)),
    }
    for (const [way, contents] of Object.entries(copied))
      expectSameBytes(Buffer.concat(contents), Buffer.from(rows), `rows recorded on their way ${way}`)
  }, 60_000)
})

/** Ends the gateway once all its clients have left, and says who they were. */
const allClosed = async (gateway: RecordingGateway): Promise<readonly ListedConnection[]> => {
  expect(await gateway.finish()).toBe(0)
  const listed = await listConnections(gateway.file)
  expect((await gateway.closed(listed.length)).every(({ reason }) => /_fin$/.test(reason))).toBe(true)
  return listed
}

/** A client's first message has no type byte, only its length. */
const afterStartup = (messages: Buffer): Buffer => messages.subarray(messages.readUInt32BE(0))

/** The contents of the CopyData messages (`d`) among PostgreSQL's messages: type, length with itself, contents. */
const copyData = (messages: Buffer): Buffer => {
  const found: Buffer[] = []
  for (let at = 0; at < messages.length; ) {
    const end = at + 1 + messages.readUInt32BE(at + 1)
    if (messages[at] === 'd'.charCodeAt(0)) found.push(messages.subarray(at + 5, end))
    at = end
  }
  return Buffer.concat(found)
}

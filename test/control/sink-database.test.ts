/**
 * Gateways that record into a real PostgreSQL to which something happens under load: traffic goes on, the log says what it is in few
 * lines, and in the end everything is in the database once.
 */

import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { createGateway, type Gateway } from '../../src/control/gateway.js'
import type { ConnectionRecord } from '../../src/core/session/record.js'
import type { Row } from '../../src/postgres/session.js'
import { type Database, POSTGRES_TOOLS, startDatabase } from '../support/database.js'
import { findingsOf } from '../support/findings.js'
import { type Daemon, run, runWell } from '../support/processes.js'
import { blockScope, eventually, type Scope, testScope, within } from '../support/scope.js'
import { POSTGRES_PASSWORD, POSTGRES_USER, startCluster } from '../support/servers/postgres.js'
import { dial, LOOPBACK, startServer } from '../support/sockets.js'
import { describeWith, findTool, toolPath } from '../support/tools.js'

const CLIENTS = 4
const MESSAGE = Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 31) & 0xff))
/** Between two messages of a client, ms: so that the database soon has what it has missed. */
const PAUSE_MS = 5
/** Messages that have to come back while the database is in trouble. */
const MEANWHILE = 100
/** What a client says at a time where a spool is to be full soon. */
const PIECE = Buffer.alloc(64 * 1024, MESSAGE)
const TOTAL = `
SELECT count(*) FILTER (WHERE closed IS NOT NULL) AS closed, sum(upstream_seen + downstream_seen) AS seen,
  sum(upstream_lost + downstream_lost) AS lost, (SELECT sum(length(data)) FROM frames) AS stored
FROM connections`
const FULL_BYTES = 4 * 1024 ** 2

interface LoadOptions {
  /** Besides where to. */
  readonly record?: object
  readonly spoolSize?: string
  readonly message?: Buffer
  readonly pauseMs?: number
}

interface Line {
  readonly level: string
  readonly message: string
}

/** A gateway and its clients, which send and read back until they are stopped. */
class Load {
  readonly gateway: Gateway
  readonly lines: readonly Line[]
  answers = 0
  /** Of connections that are over. */
  readonly ended: readonly ConnectionRecord[]
  readonly #message: Buffer
  readonly #pauseMs: number
  readonly #scope: Scope
  readonly #port: number
  #clients: readonly Promise<void>[] = []
  #stopping = false

  private constructor(
    { gateway, lines, ended }: Pick<Load, 'gateway' | 'lines' | 'ended'>,
    { message = MESSAGE, pauseMs = PAUSE_MS }: LoadOptions,
    scope: Scope,
    port: number,
  ) {
    this.gateway = gateway
    this.lines = lines
    this.ended = ended
    this.#message = message
    this.#pauseMs = pauseMs
    this.#scope = scope
    this.#port = port
  }

  static async start(scope: Scope, url: string, options: LoadOptions = {}): Promise<Load> {
    const echo = await startServer(scope, (socket) => void socket.on('error', () => {}).pipe(socket))
    const lines: Line[] = []
    const say =
      (level: string) =>
      (_: unknown, message: string): void =>
        void lines.push({ level, message })
    const { record = {}, spoolSize = '1GiB' } = options
    const ended: ConnectionRecord[] = []
    const gateway = await createGateway(
      {
        listeners: [{ listen: `${LOOPBACK}:0`, upstream: `${LOOPBACK}:${echo.port}` }],
        record: { to: url, spool: { dir: join(scope.tempDir(), 'spool'), size: spoolSize }, ...record },
        drainTimeout: 0,
      },
      {
        logger: { debug: () => {}, info: say('info'), warn: say('warn'), error: say('error') },
        observers: [{ onClose: (closed) => void ended.push(closed) }],
      },
    )
    scope.defer(() => gateway.destroy())
    const [listener] = gateway.listeners
    if (listener?.address.kind !== 'tcp') throw new Error('no port')
    return new Load({ gateway, lines, ended }, options, scope, listener.address.port)
  }

  begin(): void {
    this.#clients = Array.from({ length: CLIENTS }, () => this.#client(this.#scope, this.#port))
  }

  get sink() {
    const { recording } = this.gateway.counters()
    if (!recording?.sink) throw new Error('it records to no sink')
    return { ...recording, ...recording.sink }
  }

  troubles(): readonly string[] {
    return this.lines.filter(({ level }) => level !== 'info').map(({ message }) => message)
  }

  recoveries(): readonly string[] {
    return this.lines.map(({ message }) => message).filter((message) => message.includes('takes records'))
  }

  /** Resolves when so many more messages have come back. */
  async goesOn(): Promise<void> {
    const before = this.answers
    await eventually('the traffic to go on', () => this.answers >= before + MEANWHILE)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await within(20_000, 'the clients to end', Promise.all(this.#clients))
  }

  async #client(scope: Scope, port: number): Promise<void> {
    const socket = await dial(scope, port)
    let back = 0
    let sent = 0
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const send = (): void => {
      if (this.#stopping) socket.end()
      else {
        sent += this.#message.length
        socket.write(this.#message)
      }
    }
    socket.on('data', (chunk) => {
      back += chunk.length
      if (back < sent) return
      this.answers++
      setTimeout(send, this.#pauseMs)
    })
    send()
    await closed
  }
}

const mountSmall = async (scope: Scope, directory: string): Promise<boolean> => {
  const mount = findTool('mount')
  if (mount === undefined) return false
  const { code } = await run(mount, ['-t', 'tmpfs', '-o', `size=${FULL_BYTES}`, 'tmpfs', directory])
  if (code === 0) scope.defer(() => runWell(toolPath('umount'), [directory]))
  return code === 0
}

describeWith(POSTGRES_TOOLS, 'a gateway that records into PostgreSQL', () => {
  const block = blockScope()
  let database: Database
  let server: Daemon
  beforeAll(async () => {
    ;({ database, server } = await startDatabase(block))
  }, 90_000)

  /** Asks for the password. */
  const tcpUrl = (schema: string): string =>
    `postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@${LOOPBACK}:${database.cluster.port}/postgres?timeout=1s&schema=${encodeURIComponent(schema)}`

  /** Those of the gateway, and not the one that asks. */
  const ITS = `FROM pg_stat_activity WHERE application_name = 'tidegate' AND pid <> pg_backend_pid()`

  const asSuperuser = (sql: string): Promise<readonly Row[]> => database.ask('x', sql)

  const backends = async (): Promise<readonly number[]> =>
    (await asSuperuser(`SELECT pid ${ITS}`)).map(({ pid }) => Number(pid))

  const endBackends = (): Promise<unknown> => asSuperuser(`SELECT pg_terminate_backend(pid) ${ITS}`)

  const until = (load: Load, text: string): Promise<unknown> =>
    eventually(`the log to say '${text}'`, () => load.troubles().some((line) => line.includes(text)), 20_000)

  /** Records, lets `hurt` happen under load and `heal` after it; what the log had to say. */
  const through = async (
    url: string,
    schema: string,
    hurt: (load: Load) => unknown,
    heal: () => unknown,
  ): Promise<readonly string[]> => {
    const load = await Load.start(testScope(), url)
    load.begin()
    await eventually('records to be stored', () => load.sink.deliveredRecords > 0)
    await hurt(load)
    await load.goesOn()
    await heal()
    const healed = load.sink.deliveredRecords
    await eventually('the sink to be well again', () => load.sink.deliveredRecords > healed, 40_000)
    await load.goesOn()
    await load.stop()
    await within(30_000, 'the gateway to close', load.gateway.close())
    // It is said once it has lasted for a while, or at the end.
    expect(load.recoveries().at(-1)).toContain('again')
    const { seenBytes, storedBytes, lostBytes, spooledBytes } = load.sink
    expect({ storedBytes, lostBytes, spooledBytes }).toEqual({
      storedBytes: seenBytes,
      lostBytes: 0,
      spooledBytes: 0,
    })
    expect(seenBytes).toBe(2 * load.answers * MESSAGE.length)
    const [total] = await database.ask(schema, TOTAL)
    expect(total).toEqual({
      closed: String(CLIENTS),
      seen: String(seenBytes),
      lost: '0',
      stored: String(seenBytes),
    })
    expect(await findingsOf(database.url(schema))).toEqual([])
    return load.troubles()
  }

  it('goes on while all of the server hangs for longer than it may', async () => {
    const schema = database.newSchema()
    const stopped: number[] = []
    const hurt = async (load: Load): Promise<void> => {
      stopped.push(server.pid, ...(await backends()))
      for (const pid of stopped) process.kill(pid, 'SIGSTOP')
      await eventually('the server to be given up twice', () => load.sink.deliveryFailures >= 2)
    }
    const heal = (): void => {
      for (const pid of stopped.splice(0)) process.kill(pid, 'SIGCONT')
    }
    testScope().defer(heal)
    const troubles = await through(database.url(schema, '&timeout=1s'), schema, hurt, heal)
    expect(troubles).toEqual([expect.stringContaining('the server has not answered for 1 s')])
  }, 60_000)

  it('goes on while the server is killed, with all that it is doing, and started again', async () => {
    const schema = database.newSchema()
    const hurt = async (load: Load): Promise<void> => {
      const pids = await backends()
      // The server last: one whose server is gone has something to say about it, if it gets the time.
      for (const pid of [...pids, server.pid]) process.kill(pid, 'SIGKILL')
      await server.exited
      await until(load, 'takes no records')
    }
    const heal = async (): Promise<void> => {
      // Until the last of its processes is gone, another does not start.
      server = await eventually(
        'the server to start again',
        () => startCluster(block, database.cluster).catch(() => null),
        30_000,
      )
    }
    const troubles = await through(database.url(schema), schema, hurt, heal)
    expect(troubles).toEqual([expect.stringContaining('the server broke the connection')])
  }, 60_000)

  it('says it when the password is changed under it, and goes on when it is right again', async () => {
    const schema = database.newSchema()
    const hurt = async (load: Load): Promise<void> => {
      await asSuperuser(`ALTER ROLE ${POSTGRES_USER} PASSWORD 'another'`)
      await endBackends()
      await until(load, 'wrong user or password')
    }
    const heal = (): Promise<unknown> =>
      asSuperuser(`ALTER ROLE ${POSTGRES_USER} PASSWORD '${POSTGRES_PASSWORD}'`)
    const troubles = await through(tcpUrl(schema), schema, hurt, heal)
    // What the server says at the end is lost if the sink is just writing: EPIPE comes before it.
    expect(troubles).toEqual([
      expect.stringMatching(/' takes no records, .*: the server (shuts down \(|broke the connection)/),
      expect.stringMatching(/' still takes no records, .*: wrong user or password \(/),
    ])
    expect(troubles.join()).not.toContain(POSTGRES_PASSWORD)
  }, 60_000)

  it('goes on while the database only reads', async () => {
    const schema = database.newSchema()
    await asSuperuser('CREATE ROLE storing LOGIN; GRANT CREATE ON DATABASE postgres TO storing')
    const hurt = async (load: Load): Promise<void> => {
      await asSuperuser('ALTER ROLE storing SET default_transaction_read_only = on')
      await endBackends()
      await eventually('it to be tried in vain', () => load.sink.deliveryFailures >= 2)
    }
    const heal = (): Promise<unknown> => asSuperuser('ALTER ROLE storing RESET default_transaction_read_only')
    const url = database.url(schema).replace(`user=${POSTGRES_USER}`, 'user=storing')
    const troubles = await through(url, schema, hurt, heal)
    expect(troubles).toHaveLength(1)
  }, 60_000)

  it('goes on while the disk of the database is full', async (test) => {
    const schema = database.newSchema()
    const scope = testScope()
    const disk = join(database.cluster.directory, 'disk')
    mkdirSync(disk)
    if (!(await mountSmall(scope, disk))) {
      process.stderr.write('SKIPPED a full disk of a database: this user may not mount one\n')
      return test.skip()
    }
    const place = join(disk, 'tables')
    mkdirSync(place)
    const { owner } = database.cluster
    if (owner !== null) chownSync(place, owner.uid, owner.gid)
    await asSuperuser(`CREATE TABLESPACE small LOCATION '${place}'`)
    scope.defer(async () => {
      await database.ask(schema, `DROP SCHEMA IF EXISTS "${schema.replaceAll('"', '""')}" CASCADE`)
      await asSuperuser('DROP TABLESPACE small')
    })
    const hurt = (load: Load): Promise<unknown> => until(load, 'the disk of the server is full')
    const heal = (): Promise<unknown> => runWell(toolPath('mount'), ['-o', 'remount,size=1g', disk])
    const url = database.url(schema, `&options=${encodeURIComponent('-c default_tablespace=small')}`)
    const troubles = await through(url, schema, hurt, heal)
    expect(troubles).toEqual([expect.stringMatching(/the disk of the server is full .*SQLSTATE 53100\)$/)])
  }, 60_000)

  it('that is slower than the traffic has what each overload policy says', {
    retry: 0,
    timeout: 60_000,
  }, async () => {
    const scope = testScope()
    await asSuperuser(`
      CREATE TABLE public.pace AS SELECT 2.0 AS seconds; GRANT SELECT ON public.pace TO PUBLIC;
      CREATE FUNCTION public.take_time() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(seconds) FROM public.pace; RETURN NULL; END $$`)
    const startSlow = async (overload: 'block' | 'drop' | 'disconnect') => {
      const schema = database.newSchema()
      const options = {
        spoolSize: '16MiB',
        record: { bufferSize: '4MiB', overload },
        message: PIECE,
        pauseMs: 0,
      }
      const load = await Load.start(scope, database.url(schema), options)
      await database.ask(
        schema,
        'CREATE TRIGGER slow AFTER INSERT ON frames FOR EACH STATEMENT EXECUTE FUNCTION public.take_time()',
      )
      load.begin()
      return { load, schema, overload }
    }
    const slow = await Promise.all((['block', 'drop', 'disconnect'] as const).map(startSlow))
    const [blocked, dropped, cut] = slow.map(({ load }) => load)
    if (!blocked || !dropped || !cut) throw new Error('there are three')

    const isFull = (load: Load) => load.troubles().some((line) => line.startsWith('the spool'))
    // Clients of the third may be cut before that, and then it has nothing more to take.
    await eventually('the spools to be full', () => isFull(blocked) && isFull(dropped), 20_000)
    await eventually('the traffic to be held', () => blocked.sink.holds > 0)
    await eventually('bytes to be left out', () => dropped.sink.lostBytes > 0)
    await dropped.goesOn()
    await eventually('clients to be cut', () => cut.ended.length === CLIENTS)
    await asSuperuser('UPDATE public.pace SET seconds = 0.3')
    await blocked.goesOn()
    await Promise.all(slow.map(({ load }) => load.stop()))
    await within(30_000, 'the gateways to close', Promise.all(slow.map(({ load }) => load.gateway.close())))

    for (const { load, schema } of slow) {
      const { seenBytes, storedBytes, lostBytes, bufferedBytes, spooledBytes } = load.sink
      expect({ sum: storedBytes + lostBytes, bufferedBytes, spooledBytes }).toEqual({
        ...{ sum: seenBytes, bufferedBytes: 0, spooledBytes: 0 },
      })
      const [total] = await database.ask(schema, TOTAL)
      expect(total).toEqual({
        closed: String(CLIENTS),
        seen: String(seenBytes),
        lost: String(lostBytes),
        stored: String(storedBytes),
      })
    }
    expect(blocked.sink).toMatchObject({ lostBytes: 0, seenBytes: 2 * blocked.answers * PIECE.length })
    expect(await findingsOf(database.url(slow[0]!.schema))).toEqual([])
    expect(dropped.sink.seenBytes).toBe(2 * dropped.answers * PIECE.length)
    expect(slow.map(({ load }) => new Set(load.ended.map(({ reason }) => reason)))).toEqual([
      new Set(['client_fin']),
      new Set(['client_fin']),
      new Set(['error']),
    ])
    for (const { error } of cut.ended) expect(error?.message).toContain('overload: disconnected')
  })
})

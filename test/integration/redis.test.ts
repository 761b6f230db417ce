import { expect, it } from 'vitest'
import { run, runWell } from '../support/processes.js'
import {
  expectSameBytes,
  expectSound,
  expectSoundThroughout,
  type ListedConnection,
  listConnections,
} from '../support/recording.js'
import { blockScope, testScope } from '../support/scope.js'
import { startRedis } from '../support/servers/redis.js'
import { LOOPBACK } from '../support/sockets.js'
import { startRecorder } from '../support/tidegate.js'
import { describeWith, toolPath } from '../support/tools.js'
import { expectWitnessed, startWitness } from '../support/witness.js'

describeWith(
  ['redis-server', 'redis-benchmark', 'redis-cli', 'tshark'],
  'Redis through a recording gateway',
  () => {
    const scope = blockScope()
    const redis = startRedis(scope)

    it.each([
      { pipeline: 1, requests: 400, clients: 10 },
      { pipeline: 16, requests: 2_000, clients: 50 },
    ])(
      'redis-benchmark runs all its tests without an error, $pipeline requests at a time',
      async ({ pipeline, requests, clients }) => {
        const ends = testScope()
        const gateway = await startRecorder(ends, await redis)
        const witness = await startWitness(ends, gateway.port)
        const load = ['-n', String(requests), '-c', String(clients), '-P', String(pipeline)]
        const benchmark = await run(
          toolPath('redis-benchmark'),
          ['-h', LOOPBACK, '-p', String(witness.port), ...load, '-q'],
          { timeoutMs: 120_000 },
        )
        const output = benchmark.stdout.toString()
        expect(benchmark.code, benchmark.stderr + output).toBe(0)
        expect(benchmark.stderr + output).not.toMatch(/error/i)
        // Redis 7 has 20 tests by default; fewer would mean that it gave up on the way.
        expect(output.match(/requests per second/g)?.length).toBeGreaterThanOrEqual(18)

        expect(await gateway.finish()).toBe(0)
        const listed = await listConnections(gateway.file)
        const logged = await gateway.closed(listed.length)
        expect(accounts(listed)).toEqual(accounts(logged))
        await expectWitnessed(witness, listed, await expectSoundThroughout(gateway.file))
      },
      240_000,
    )

    it('redis-cli --pipe, which half-closes, gets the whole reply of a mass insert', async () => {
      const gateway = await startRecorder(testScope(), await redis)
      const count = 20_000
      const commands = Array.from({ length: count }, (_, n) => {
        const key = `mass:${n}`
        const value = `value of ${key}`
        return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`
      }).join('')
      const cli = await runWell(
        toolPath('redis-cli'),
        ['-h', LOOPBACK, '-p', String(gateway.port), '--pipe'],
        {
          input: commands,
        },
      )
      expect(cli.stdout.toString()).toContain(`errors: 0, replies: ${count}`)

      await gateway.closed(1)
      expect(await gateway.finish()).toBe(0)
      const stream = (await expectSound(gateway.file, [1])).get(1)!
      // redis-cli adds an ECHO of its own, whose reply tells it that everything before has been answered.
      expectSameBytes(
        stream.upstream.subarray(0, commands.length),
        Buffer.from(commands),
        'what redis-cli sent',
      )
      expectSameBytes(
        stream.downstream.subarray(0, count * '+OK\r\n'.length),
        Buffer.from('+OK\r\n'.repeat(count)),
        'what redis replied',
      )
    }, 60_000)
  },
)

/** What the log and the recording both say of connections, in an order that does not depend on timing. */
const accounts = (
  connections: readonly Pick<ListedConnection, 'client' | 'bytes' | 'reason'>[],
): readonly string[] =>
  connections
    .map(({ client, bytes, reason }) => `${client} ${bytes.upstream} ${bytes.downstream} ${reason}`)
    .sort()

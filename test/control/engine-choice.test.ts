import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { digestOf, payload } from '../support/payload.js'
import { testScope, within } from '../support/scope.js'
import { dial, exchange, LOOPBACK, startServer } from '../support/sockets.js'
import { type Gateway, listening, portIn, startTidegate, tidegate } from '../support/tidegate.js'

/** As on a machine for which koffi has no build. */
const WITHOUT_KOFFI = {
  NODE_OPTIONS: `--import=${join(import.meta.dirname, '../support/without-koffi.mjs')}`,
}

const chosen = async (gateway: Gateway) => {
  const [line] = await gateway.lines('the engine', ({ msg }) => msg === 'engine chosen')
  return line
}

it.runIf(process.platform === 'linux')(
  'takes the linux engine by itself, and says so (on Linux only)',
  async () => {
    const ends = testScope()
    const gateway = startTidegate(ends, ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:1`], {
      env: { TIDEGATE_ENGINE: 'auto' },
    })
    expect(await chosen(gateway)).toMatchObject({ level: 'info', engine: 'linux', reason: 'it runs here' })
    expect(await gateway.finish()).toBe(0)
  },
)

it('takes the portable engine where koffi does not load, says why, and works', async () => {
  const ends = testScope()
  const echo = await startServer(ends, (socket) => socket.pipe(socket))
  const gateway = startTidegate(ends, ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:${echo.port}`], {
    env: { TIDEGATE_ENGINE: 'auto', TIDEGATE_WORKERS: '0', ...WITHOUT_KOFFI },
  })
  const [address = ''] = (await listening(gateway)).values()
  const line = await chosen(gateway)
  expect(line).toMatchObject({ level: 'info', engine: 'portable' })
  expect(line?.reason).toMatch(/^the linux engine cannot run here: /)
  const sent = payload(3, 300_000)
  const reply = await exchange(await dial(ends, portIn(address)), sent)
  expect(digestOf(reply)).toEqual(digestOf(sent))
  expect(await gateway.finish()).toBe(0)
  expect(gateway.noise).toEqual([])
})

it("takes the portable engine in an application's own thread, so that ending that thread ends nothing else", async () => {
  const ends = testScope()
  const echo = await startServer(ends, (socket) => socket.pipe(socket))
  for (let round = 0; round < 3; round++) {
    const thread = new Worker(new URL('gateway-thread.mjs', import.meta.url), { workerData: echo.port })
    ends.defer(() => thread.terminate())
    const [{ port, chosen }] = await within(20_000, 'the gateway', once(thread, 'message'))
    expect(chosen).toMatchObject({ engine: 'portable', workers: 0 })
    expect(chosen.reason).toMatch(/^this is not the main thread: /)
    const talker = await dial(ends, port)
    const closed = new Promise((resolve) => talker.once('end', resolve).once('close', resolve))
    talker.on('data', (bytes) => talker.write(bytes)).write('x')
    await within(5000, 'an answer', once(talker, 'data'))
    await thread.terminate()
    await within(5000, 'the end', closed)
  }
})

it('does without workers where only the portable engine runs, and warns of that', async () => {
  const gateway = startTidegate(testScope(), ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:1`], {
    env: { TIDEGATE_ENGINE: 'auto', TIDEGATE_WORKERS: '2', ...WITHOUT_KOFFI },
  })
  expect(await chosen(gateway)).toMatchObject({ engine: 'portable', workers: 0 })
  expect(gateway.log.filter(({ level }) => level === 'warn')).toMatchObject([
    { workers: 2, msg: 'no workers: this engine serves on the main thread only' },
  ])
  expect(await gateway.finish()).toBe(0)
})

it.runIf(process.platform === 'linux')(
  'says how many workers serve beside the engine and the reason (on Linux only)',
  async () => {
    const gateway = startTidegate(testScope(), ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:1`], {
      env: { TIDEGATE_ENGINE: 'linux', TIDEGATE_WORKERS: '2' },
    })
    expect(await chosen(gateway)).toMatchObject({ engine: 'linux', reason: 'as configured', workers: 2 })
    expect(await gateway.finish()).toBe(0)
  },
)

it('is one line and exit code 1 where the linux engine is demanded and cannot run', async () => {
  const args = ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:1`, '--engine', 'linux']
  const { code, stderr } = await tidegate(args, { env: { ...process.env, ...WITHOUT_KOFFI } })
  expect(String(stderr)).toMatch(/^tidegate: the linux engine cannot run here: [^\n]+\n$/)
  expect(code).toBe(1)
})

it('is one line and exit code 2 when workers are asked of the portable engine', async () => {
  const args = ['relay', `${LOOPBACK}:0`, `${LOOPBACK}:1`, '--engine', 'portable', '--workers', '2']
  const { code, stderr } = await tidegate(args)
  expect(String(stderr)).toMatch(
    /^tidegate: --workers: 2, but the portable engine serves on the main thread only[^\n]*\n$/,
  )
  expect(code).toBe(2)
})

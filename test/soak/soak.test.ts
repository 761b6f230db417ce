import { expect, it } from 'vitest'
import { openFilesOf, residentBytes } from '../support/proc.js'
import { eventually, type Scope, testScope } from '../support/scope.js'
import { type ListeningGateway, startRelay } from '../support/tidegate.js'
import { type Plan, planOf } from './plan.js'
import { type Outcome, Stage } from './play.js'

/** Through all gateways together. `npm run soak` moves 20 GB, and says so here. */
const BYTES = Number(process.env.SOAK_BYTES ?? 500e6)
const SEED = Number(process.env.SOAK_SEED ?? 1)

const GATEWAYS: Readonly<Record<string, readonly string[]>> = {
  portable: ['--engine', 'portable', '--workers', '0'],
  'linux-0': ['--engine', 'linux', '--workers', '0'],
  'linux-2': ['--engine', 'linux', '--workers', '2'],
}

/** Some 60 MB. */
const PLANS_PER_ROUND = 20

/** A gateway grows to what it needs anyway in the first rounds. */
const WARM_AFTER_BYTES = Math.min(BYTES / 2, 2e9)

/** Between two looks at it, memory that nobody uses any more may or may not have been collected. */
const MOST_GROWTH_BYTES = 64 * 1024 ** 2

/** Empty pipes that an engine keeps, two descriptors each, for the main thread and two workers. */
const MOST_PIPES = 3 * 2 * 32

/** Slower than the slowest machine. */
const BYTES_PER_MS = 5_000

/** A gateway that is soaked, and what it was like at rest. */
class Soaked {
  readonly #name: string
  readonly #gateway: ListeningGateway
  readonly #socketsAtRest: number
  #warmBytes: number | null = null
  growth = 0

  constructor(name: string, gateway: ListeningGateway) {
    this.#name = name
    this.#gateway = gateway
    this.#socketsAtRest = this.#count('socket:')
  }

  get port(): number {
    return this.#gateway.port
  }

  async examine(isWarm: boolean): Promise<string> {
    const { pid } = this.#gateway.daemon
    await eventually(
      `the sockets of ${this.#name} to be closed`,
      () => this.#count('socket:') <= this.#socketsAtRest,
    )
    expect(this.#count('pipe:'), `descriptors of pipes of ${this.#name}`).toBeLessThanOrEqual(MOST_PIPES)
    const resident = residentBytes(pid)
    if (!isWarm || this.#warmBytes === null) this.#warmBytes = Math.max(this.#warmBytes ?? 0, resident)
    this.growth = Math.max(this.growth, resident - this.#warmBytes)
    expect(this.growth, `bytes by which ${this.#name} has grown`).toBeLessThan(MOST_GROWTH_BYTES)
    return `${this.#name} ${Math.round(resident / 1e6)} MB`
  }

  async finish(): Promise<void> {
    expect(await this.#gateway.finish()).toBe(0)
    expect(this.#gateway.noise).toEqual([])
  }

  #count(kind: string): number {
    return openFilesOf(this.#gateway.daemon.pid).filter((what) => what.startsWith(kind)).length
  }
}

const startAll = async (ends: Scope, upstreamPort: number): Promise<ReadonlyMap<string, Soaked>> => {
  const soaked = new Map<string, Soaked>()
  for (const [name, args] of Object.entries(GATEWAYS))
    soaked.set(name, new Soaked(name, await startRelay(ends, upstreamPort, args)))
  return soaked
}

/** What must not depend on what is in between. Where one side cut the connection, how much had arrived does. */
const essence = ({ ending }: Plan, { client, server }: Outcome) => {
  const isCut = ending.endsWith('_cut')
  return {
    client: { ...client, bytes: isCut ? null : client.bytes },
    server: { ...server, bytes: isCut ? null : server.bytes },
  }
}

const volume = (outcomes: readonly Outcome[]): number =>
  outcomes.reduce((sum, { client, server }) => sum + client.bytes + server.bytes, 0)

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`

it(
  `${gigabytes(BYTES)} of random traffic pass through both engines as through a plain socket pair (seed ${SEED})`,
  async () => {
    const ends = testScope()
    const stage = new Stage()
    const server = await stage.start(ends)
    const gateways = await startAll(ends, server.port)
    let passed = 0
    let connections = 0
    for (let round = 0; passed < BYTES; round++) {
      const plans = Array.from({ length: PLANS_PER_ROUND }, (_, n) =>
        planOf(SEED * 1_000_003 + round * PLANS_PER_ROUND + n),
      )
      const directly = await stage.play(plans, server.port)
      const found: string[] = []
      for (const [name, gateway] of gateways) {
        const outcomes = await stage.play(plans, gateway.port)
        for (const [n, plan] of plans.entries())
          expect(
            essence(plan, outcomes[n]!),
            `the connection with seed ${plan.seed}, ${plan.ending}, through ${name}`,
          ).toEqual(essence(plan, directly[n]!))
        passed += volume(outcomes)
        connections += plans.length
        found.push(await gateway.examine(passed > WARM_AFTER_BYTES))
      }
      for (const [n, { seed, client, server, ending }] of plans.entries())
        if (!ending.endsWith('_cut'))
          expect([directly[n]!.server.bytes, directly[n]!.client.bytes], `seed ${seed}`).toEqual([
            client.bytes,
            server.bytes,
          ])
      process.stdout.write(`${gigabytes(passed)} of ${gigabytes(BYTES)}; in memory: ${found.join(', ')}\n`)
    }
    const growth = [...gateways].map(([name, gateway]) => `${name} ${Math.round(gateway.growth / 1e6)} MB`)
    process.stdout.write(
      `soaked with ${gigabytes(passed)} in ${connections} connections, seed ${SEED}: every byte and every end as without a gateway; ` +
        `no descriptor left over; growth of memory once warm: ${growth.join(', ')}\n`,
    )
    for (const gateway of gateways.values()) await gateway.finish()
  },
  60_000 + BYTES / BYTES_PER_MS,
)

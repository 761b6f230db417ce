/** What the log says of a sink that takes nothing for a while: few lines, and those that somebody can act on. */

import { expect, it } from 'vitest'
import { TidegateError } from '../../../src/errors.js'
import type { Sink } from '../../../src/ports/sink.js'
import { STORE_FIGURES } from '../../../src/ports/store.js'
import { Courier } from '../../../src/sinks/spool/courier.js'
import { FakeClock } from '../../../src/testing/index.js'
import { talk } from '../../support/records.js'

const REFUSED = new TidegateError('connection_refused', 'nobody listens there', { fault: 'peer' })
const PASSWORD = new TidegateError('usage', 'wrong password', { fault: 'usage' })
const DATABASE = new TidegateError('usage', 'no such database', { fault: 'usage', errno: '3D000' })
/** The same in other words. */
const NO_DATABASE = new TidegateError('usage', 'cannot open: no database', { fault: 'usage', errno: '3D000' })

class Post {
  readonly clock = new FakeClock()
  readonly said: string[] = []
  /** How its next openings and writes fail. */
  readonly failures: Error[] = []
  opening: Promise<void> = Promise.resolve()
  readonly courier: Courier

  constructor() {
    const fail = (): void => {
      const failure = this.failures.shift()
      if (failure !== undefined) throw failure
    }
    const sink: Sink = {
      where: 'sink://there',
      open: async () => {
        await this.opening
        fail()
      },
      write: async () => fail(),
      close: async () => {},
    }
    const log = (level: string, _: unknown, message: string): void =>
      void this.said.push(`${level}: ${message}`)
    const host = { figures: new Float64Array(STORE_FIGURES), log }
    this.courier = new Courier({ sink, dir: '/spool', host, clock: this.clock })
  }

  /** Brings one batch, which fails with each of these in turn, and then does not. */
  async bring(...failures: readonly Error[]): Promise<void> {
    this.failures.push(...failures)
    let isTaken: boolean | null = null
    void this.courier.bring(talk({})).then((taken) => {
      isTaken = taken
    })
    await this.clock.advance(0)
    while (isTaken === null) await this.clock.advance(100)
    expect(isTaken).toBe(true)
  }
}

const AWAY = "warn: 'sink://there' takes no records, they wait in '/spool': nobody listens there"

it('says how a server went, and not each way in which it comes back', async () => {
  const post = new Post()
  await post.courier.start()
  await post.bring(REFUSED, new Error('is starting'), new Error('is starting'), REFUSED)
  expect(post.said).toEqual([AWAY])
  await post.clock.advance(1000)
  expect(post.said).toEqual([AWAY, "info: 'sink://there' takes records again, after 4 failures"])
})

it('says when only the user can bring it back, each reason as it comes up', async () => {
  const post = new Post()
  await post.courier.start()
  await post.bring(REFUSED, PASSWORD, REFUSED, PASSWORD, DATABASE, NO_DATABASE)
  await post.courier.close()
  const still = "warn: 'sink://there' still takes no records, they wait in '/spool':"
  expect(post.said).toEqual([
    AWAY,
    `${still} wrong password`,
    `${still} no such database`,
    "info: 'sink://there' takes records again, after 6 failures",
  ])
})

it('says flutter once', async () => {
  const post = new Post()
  await post.courier.start()
  for (let batch = 0; batch < 20; batch++) {
    await post.bring()
    await post.bring(REFUSED)
  }
  expect(post.said).toEqual([AWAY])
  await post.courier.close()
  expect(post.said).toEqual([AWAY, "info: 'sink://there' takes records again, after 20 failures"])
})

it('tells how a start that nobody waited for came out', async () => {
  for (const failure of [null, PASSWORD]) {
    const post = new Post()
    let answer: () => void = () => {}
    post.opening = new Promise((resolve) => {
      answer = resolve
    })
    const started = post.courier.start()
    post.courier.isLate()
    if (failure !== null) post.failures.push(failure)
    answer()
    await started
    await post.bring()
    await post.courier.close()
    const late = "warn: 'sink://there' does not answer yet, records wait in '/spool'"
    expect(post.said).toEqual(
      failure === null
        ? [late, "info: 'sink://there' takes records now"]
        : [
            late,
            "warn: 'sink://there' takes no records, they wait in '/spool': wrong password",
            "info: 'sink://there' takes records again, after 1 failure",
          ],
    )
  }
})

it('leaves it to its caller what keeps a gateway from starting', async () => {
  const post = new Post()
  post.failures.push(PASSWORD)
  await expect(post.courier.start()).rejects.toBe(PASSWORD)
  expect(post.said).toEqual([])
})

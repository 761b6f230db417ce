/** Whatever ends the process that started a service, and whenever: nothing of the service is left. */

import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isRunning } from '../support/activation.js'
import { seededRandom } from '../support/payload.js'
import { eventually, type Scope, testScope } from '../support/scope.js'

const dist = (name: string): string =>
  pathToFileURL(join(import.meta.dirname, '../../build/activate', name)).href

/** Everybody whose environment has the mark, or whose parent is `parent`. */
const marked = (mark: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isRunning(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)
      } catch {
        return false
      }
    })

const childrenOf = (parent: number): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return state !== 'Z' && Number(ppid) === parent
      } catch {
        return false
      }
    })

const isShell = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('groups=')
  } catch {
    return false
  }
}

interface Parent {
  readonly child: ChildProcess
  readonly pid: number
  said(text: string): boolean
}

const parent = (scope: Scope, script: string, detached = false): Parent => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached,
  })
  scope.defer(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout?.on('data', (chunk) => {
    said += chunk
  })
  if (child.pid === undefined) throw new Error('no parent')
  return { child, pid: child.pid, said: (text) => said.includes(text) }
}

const starting = (mark: string): string => `
  import { createExecActivator } from ${JSON.stringify(dist('exec.js'))}
  const activator = createExecActivator({
    argv: ['sh', '-c', 'trap "" TERM HUP INT; sleep 60 & (sleep 61 & wait) & echo up; wait; sleep 62'],
    endpoints: [], ready: { by: 'output', pattern: /up/ }, env: { MARK: ${JSON.stringify(mark)} },
  })
  console.log('starting')
  activator.start({ ready: () => console.log('ready'), output() {}, ended() {} })
  setInterval(() => {}, 1000)`

describe.runIf(process.platform === 'linux')('the end of the parent', () => {
  it('by kill -9 at any moment leaves nobody', async () => {
    const scope = testScope()
    const random = seededRandom(5)
    for (let n = 0; n < 20; n++) {
      const mark = `tidegate-keeper-${process.pid}-${n}`
      const { child, pid, said } = parent(scope, starting(mark))
      await eventually('its beginning', () => said(n % 4 === 0 ? 'ready' : 'starting'))
      if (n % 4 !== 0) await new Promise((resolve) => setTimeout(resolve, random() * 20))
      const keepers = childrenOf(pid).filter(isShell)
      child.kill('SIGKILL')
      await eventually(`the end of all, ${n}`, () => marked(mark).length === 0)
      await eventually('the end of the keeper', () => !keepers.some(isRunning))
    }
  }, 60_000)

  it.each([
    ['exec', `createExecActivator({ argv: ['sleep', '63'], ...common })`],
    [
      'commands',
      `createCommandActivator({ start: ['sleep', '63'], stop: ['true'], isUp: ['sleep', '64'], ...common })`,
    ],
  ])('after the start of a process, before the keeper knows it, leaves nobody (%s)', async (file, made) => {
    const scope = testScope()
    const mark = `tidegate-keeper-${process.pid}-unknown-${file}`
    const { child, said } = parent(
      scope,
      `
      import * as driver from ${JSON.stringify(dist(`${file}.js`))}
      import { groupKeeper } from ${JSON.stringify(dist('keeper.js'))}
      import { writeSync } from 'node:fs'
      const { createExecActivator, createCommandActivator } = driver
      const common = { endpoints: [], env: { MARK: ${JSON.stringify(mark)} } }
      groupKeeper().keep = (group) => {
        writeSync(1, 'started ' + group + '.')
        process.kill(process.pid, 'SIGKILL')
      }
      ${made}.start({ ready() {}, output() {}, ended() {} })`,
    )
    await eventually('the start and the end', () => said('.') && child.signalCode === 'SIGKILL')
    await eventually('the end of all', () => marked(mark).length === 0)
  })

  it('by SIGINT for its whole group leaves nobody', async () => {
    const scope = testScope()
    const mark = `tidegate-keeper-${process.pid}-int`
    const { pid, said } = parent(scope, starting(mark), true)
    await eventually('the service', () => said('ready'))
    expect(marked(mark).length).toBeGreaterThan(2)
    process.kill(-pid, 'SIGINT')
    await eventually('the end of all', () => marked(mark).length === 0)
  })

  it('is seen by another keeper when somebody has killed the first', async () => {
    const scope = testScope()
    const mark = `tidegate-keeper-${process.pid}-kept`
    const { child, pid, said } = parent(scope, starting(mark))
    await eventually('the service', () => said('ready'))
    const first = await eventually('its keeper', () => childrenOf(pid).find(isShell))
    process.kill(first, 'SIGTERM')
    process.kill(first, 'SIGKILL')
    const second = await eventually('another keeper', () =>
      childrenOf(pid).find((each) => each !== first && isShell(each)),
    )
    // It has been told of the service once it waits for more.
    await eventually('that it waits', () => / S \d/.test(readFileSync(`/proc/${second}/stat`, 'latin1')))
    child.kill('SIGKILL')
    await eventually('the end of all', () => marked(mark).length === 0)
    await eventually('the end of the keeper', () => !isRunning(second))
  })

  it('leaves those alone that were released', async () => {
    const scope = testScope()
    const script = `
      import { spawn } from 'node:child_process'
      import { groupKeeper } from ${JSON.stringify(dist('keeper.js'))}
      const keeper = groupKeeper()
      const groups = Array.from({ length: 7 }, () => spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }).pid)
      for (const group of groups) keeper.keep(group)
      // The first, the last, one between, one that nobody keeps, and one again.
      for (const n of [0, 6, 3]) keeper.release(groups[n])
      keeper.release(1234567)
      keeper.release(groups[3])
      keeper.release(groups[4])
      keeper.keep(groups[4])
      console.log('kept ' + groups.join(' ') + '.')
      setInterval(() => {}, 1000)`
    let groups: readonly number[] = []
    const { child } = parent(scope, script)
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
    })
    await eventually('the groups', () => said.includes('.'))
    groups = (/kept ([\d ]+)\./.exec(said)?.[1] ?? '').split(' ').map(Number)
    scope.defer(() => {
      for (const n of [0, 3, 6]) process.kill(groups[n] as number, 'SIGKILL')
    })
    child.kill('SIGKILL')
    await eventually('the end of those kept', () =>
      [1, 2, 4, 5].every((n) => !isRunning(groups[n] as number)),
    )
    expect([0, 3, 6].filter((n) => isRunning(groups[n] as number))).toEqual([0, 3, 6])
  })
})

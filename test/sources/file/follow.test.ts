import fs, { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import { Follower } from '../../../src/sources/file/follow.js'
import { PING_PONG, tempDir } from '../../cli/recordings.js'

const FILES = 300

const following = (directory: string, fromStart: boolean) => {
  const gone: string[] = []
  const passedOver: string[] = []
  const follower = new Follower([directory], fromStart, {
    onGone: ({ path }) => void gone.push(path),
    onPassedOver: (why) => void passedOver.push(why),
  })
  onTestFinished(() => follower.close())
  const look = async (onBatch: () => void = () => {}): Promise<readonly string[]> => {
    const seen: string[] = []
    for await (const { file, records } of follower.look()) {
      for (const { kind } of records) if (kind === 'section') seen.push(file.path)
      onBatch()
    }
    return seen
  }
  return { gone, passedOver, look }
}

it.runIf(process.platform === 'linux')('keeps few files open, however many are new', async () => {
  const directory = tempDir()
  const paths = Array.from({ length: FILES }, (_, at) => join(directory, `${1000 + at}.pcapng`))
  for (const path of paths) writeFileSync(path, PING_PONG)
  const { look } = following(directory, true)
  const openFiles = (): number => readdirSync('/proc/self/fd').length
  const before = openFiles()
  let most = 0
  const seen = await look(() => {
    most = Math.max(most, openFiles() - before)
  })
  expect(seen).toEqual(paths)
  expect(most).toBeLessThan(100)
})

it.each(['a.pcapng', 'a.pcapng.gz'])('forgets %s once it is gone, and not before', async (name) => {
  const directory = tempDir()
  const path = join(directory, name)
  const { look, gone } = following(directory, false)
  await look()
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(PING_PONG) : PING_PONG)
  expect(await look()).toEqual([path])
  gone.splice(0)
  for (let again = 0; again < 5; again++) expect(await look()).toEqual([])
  expect(gone).toEqual([])
  rmSync(path)
  for (let again = 0; again < 5; again++) await look()
  expect(gone).toEqual([path])
})

it('passes over a folder that is removed between two looks at it', async () => {
  const directory = tempDir()
  const inner = join(directory, 'day')
  mkdirSync(inner)
  writeFileSync(join(directory, 'a.pcapng'), PING_PONG)
  const real = fs.promises.readdir
  const restore = (): void => {
    fs.promises.readdir = real
    syncBuiltinESMExports()
  }
  onTestFinished(restore)
  fs.promises.readdir = ((path: string, options: never) => {
    if (path === inner) rmSync(inner, { recursive: true, force: true })
    return real(path, options)
  }) as typeof real
  syncBuiltinESMExports()
  const { look, passedOver } = following(directory, true)
  expect(await look()).toEqual([join(directory, 'a.pcapng')])
  restore()
  mkdirSync(inner)
  writeFileSync(join(inner, 'b.pcapng'), PING_PONG)
  expect(await look()).toEqual([join(inner, 'b.pcapng')])
  expect(passedOver).toEqual([])
})

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fileRecorder, fileSteady } from '../../../bench/recordings/recorder.js'
import { parseDropped, tcpdumpCommand } from '../../../bench/recordings/tcpdump.js'
import { encodeGogetwayFrame } from '../../../src/core/codec/gogetway/frame.js'
import { testScope } from '../../support/scope.js'

const address = '127.0.0.1:1'

const frame = (length: number): Uint8Array =>
  encodeGogetwayFrame({ timeNs: 1n, type: 1, from: address, to: address, body: Buffer.alloc(length, 'x') })

const STEPS = 20
const EVERY_MS = 10

/** A little more each time. */
const grow = (file: string): void => {
  let left = STEPS
  const timer = setInterval(() => {
    appendFileSync(file, 'more')
    if (--left === 0) clearInterval(timer)
  }, EVERY_MS)
  onTestFinished(() => clearInterval(timer))
}

describe('a recorder that writes by itself', () => {
  it('is waited for until its file does not grow any more', async () => {
    const file = join(testScope().tempDir(), 'recording')
    const began = performance.now()
    grow(file)
    const at = await fileSteady(file, 1000)
    expect(at - began).toBeGreaterThan((STEPS - 1) * EVERY_MS)
    expect(readFileSync(file)).toHaveLength(STEPS * 'more'.length)
  })

  it('has stored since the last time what came since then', async () => {
    const file = join(testScope().tempDir(), 'recording')
    const recorder = fileRecorder(file, 'gogetway')
    writeFileSync(file, frame(1000))
    expect(await recorder.end()).toMatchObject({ bytes: 1000, dropped: null, cpuSeconds: 0 })
    writeFileSync(file, frame(234), { flag: 'a' })
    expect(await recorder.end()).toMatchObject({ bytes: 234 })
    expect(await recorder.end()).toMatchObject({ bytes: 0 })
  })

  it('that has written no file is an error', async () => {
    const file = join(testScope().tempDir(), 'nothing')
    await expect(fileRecorder(file, 'pcapng').end()).rejects.toThrow('ENOENT')
  })
})

describe('what tcpdump says in the end', () => {
  it('has what the kernel dropped', () => {
    const text =
      'tcpdump: listening on lo\n12 packets captured\n20 packets received by filter\n8 packets dropped by kernel\n'
    expect(parseDropped(text)).toBe(8)
  })

  it('is an error without that', () => {
    expect(() => parseDropped('tcpdump: lo: No such device exists\n')).toThrow('No such device')
  })

  it('is of the loopback device, and of one conversation', () => {
    const command = tcpdumpCommand('/usr/bin/tcpdump', 'tcp port 7', '/tmp/file')
    expect(command).toEqual(expect.arrayContaining(['-i', 'lo', '-w', '/tmp/file']))
    expect(command.at(-1)).toBe('tcp port 7')
  })
})

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, existsSync } from 'node:fs'
import {
  appendFile,
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeSectionStart } from '../../../src/core/codec/pcapng/writer.js'
import { errnoOf } from '../../../src/errors.js'
import { openFileSink } from '../../../src/sinks/file/file-sink.js'
import { FILE_CELL, FileWriter } from '../../../src/sinks/file/file-writer.js'

const run = promisify(execFile)
const SECTION = encodeSectionStart('tidegate test', [{ linkType: 101, name: 'one', description: '' }])
const onLinux = process.platform === 'linux'

let folder: string
const path = (name = 'x.pcapng'): string => join(folder, name)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-sink-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** The file and its writer in one. */
const openWriting = async (name: string) => {
  const file = await openFileSink(name)
  const writer = new FileWriter(file.target)
  const { appended, created, repairedBytes } = file
  return {
    appended,
    created,
    repairedBytes,
    /** A writer throws what it can say at once. */
    write: async (bytes: Uint8Array): Promise<void> => writer.write(bytes),
    close: async (): Promise<void> => {
      await writer.close()
      return file.close()
    },
  }
}

const writeOnce = async (bytes: Uint8Array): Promise<void> => {
  const sink = await openWriting(path())
  await sink.write(bytes)
  await sink.close()
}

test('a new file has what was written, in order, and only its owner may read it', async () => {
  const before = process.umask(0o000)
  try {
    const sink = await openWriting(path())
    expect(sink).toMatchObject({ appended: false, created: true, repairedBytes: 0 })
    await sink.write(Uint8Array.of(1, 2))
    await sink.write(Uint8Array.of(3))
    await sink.close()
  } finally {
    process.umask(before)
  }
  expect([...(await readFile(path()))]).toEqual([1, 2, 3])
  expect((await stat(path())).mode & 0o777).toBe(0o600)
})

test('a umask that forbids everything still leaves the owner their file', async () => {
  const before = process.umask(0o777)
  try {
    await (await openFileSink(path())).close()
  } finally {
    process.umask(before)
  }
  expect((await stat(path())).mode & 0o777).toBe(0o600)
})

test('a recording that is there is continued', async () => {
  await writeOnce(SECTION)
  const sink = await openWriting(path())
  expect(sink).toMatchObject({ appended: true, repairedBytes: 0 })
  await sink.write(SECTION)
  await sink.close()
  expect(new Uint8Array(await readFile(path()))).toEqual(new Uint8Array(Buffer.concat([SECTION, SECTION])))
})

test('an empty file is begun', async () => {
  await writeFile(path(), '')
  const sink = await openWriting(path())
  expect(sink).toMatchObject({ appended: false, repairedBytes: 0 })
  await sink.close()
})

test('what a kill left of the last block is cut first, at whatever byte the file was cut', async () => {
  for (let cut = SECTION.length + 1; cut < 2 * SECTION.length; cut++) {
    const torn = Buffer.concat([SECTION, SECTION]).subarray(0, cut)
    await writeFile(path(), torn)
    const sink = await openWriting(path())
    const kept = cut - sink.repairedBytes
    expect(sink.appended).toBe(true)
    await sink.write(SECTION)
    await sink.close()
    expect(await readFile(path())).toEqual(Buffer.concat([torn.subarray(0, kept), SECTION]))
  }
})

test('a file of another kind is refused and left as it was', async () => {
  for (const content of [
    'hello, world, this is a text',
    '\n',
    'PK\x03\x04',
    '\n\r\r\nnot really pcapng, only its magic',
  ]) {
    await writeFile(path(), content)
    await expect(openFileSink(path())).rejects.toMatchObject({
      code: 'file_unwritable',
      message: `'${path()}' exists and is not a pcapng file; choose another --out`,
    })
    expect(await readFile(path(), 'latin1')).toBe(content)
  }
})

test('a recording with damage in the middle is refused and left as it was', async () => {
  const bytes = Buffer.concat([SECTION, SECTION, SECTION])
  bytes.fill(0xff, SECTION.length + 4, SECTION.length + 8)
  bytes[2 * SECTION.length - 1] = 0x55
  await writeFile(path(), bytes)
  await expect(openFileSink(path())).rejects.toMatchObject({ code: 'file_damaged' })
  expect(await readFile(path())).toEqual(bytes)
})

test('a folder, a missing folder and a file in place of a folder are told apart', async () => {
  await mkdir(path('folder'))
  await writeFile(path('file'), '')
  await symlink(path('nowhere'), path('link'))
  const messageOf = async (name: string): Promise<string> => {
    const error: unknown = await openFileSink(path(name)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'file_unwritable' })
    return error instanceof Error ? error.message.replaceAll(folder, '') : ''
  }
  expect(await messageOf('folder')).toBe(
    "'/folder' cannot be written: it is a folder; end it with '/' to have files in it",
  )
  expect(await messageOf('none/x')).toBe("'/none/x' cannot be written: the folder '/none' does not exist")
  expect(await messageOf('none/deep/x')).toBe(
    "'/none/deep/x' cannot be written: the folder '/none' does not exist",
  )
  if (existsSync('/proc/self'))
    await expect(openFileSink('/proc/x')).rejects.toThrow("the folder '/proc' takes no new files")
  expect(await messageOf('file/x')).toBe("'/file/x' cannot be written: '/file' is not a folder")
  expect(await messageOf('link')).toBe(
    "'/link' cannot be written: it is a symbolic link to '/nowhere', which does not exist; expected a link to something that does, or no link",
  )
  expect(await messageOf('link/deep/x')).toBe(
    "'/link/deep/x' cannot be written: the folder '/link' is a symbolic link to '/nowhere', which does not exist; expected a folder",
  )
})

test('a second recorder in the same process is refused, until the first is done', async () => {
  const first = await openFileSink(path())
  await expect(openFileSink(path())).rejects.toMatchObject({
    code: 'file_unwritable',
    message: `'${path()}' is being recorded to already; choose another --out`,
  })
  await first.close()
  await (await openFileSink(path())).close()
})

test('closing twice is closing once, and there is no write after it', async () => {
  const sink = await openWriting(path())
  await Promise.all([sink.close(), sink.close()])
  await expect(sink.write(SECTION)).rejects.toMatchObject({ code: 'misuse' })
})

test.runIf(onLinux)('a write to a full device fails with its errno, and so does the next', async () => {
  const sink = await openWriting('/dev/full')
  for (let i = 0; i < 2; i++)
    await expect(sink.write(SECTION)).rejects.toMatchObject({ code: 'write_failed', errno: 'ENOSPC' })
  await sink.close()
})

test.runIf(onLinux)('a named pipe without a reader is refused at once', async () => {
  await run('mkfifo', [path()])
  await expect(openFileSink(path())).rejects.toMatchObject({ code: 'file_unwritable', errno: 'ENXIO' })
})

test.runIf(onLinux)('a named pipe with a reader gets the bytes', async () => {
  await run('mkfifo', [path()])
  const reader = readFile(path())
  const sink = await openRetrying()
  await sink.write(SECTION)
  await sink.close()
  expect(new Uint8Array(await reader)).toEqual(SECTION)
})

test.runIf(onLinux)(
  'a write waits for the reader of a full pipe, and no longer once the sink is closed',
  async () => {
    await run('mkfifo', [path()])
    const reader = await open(path(), constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const sink = await openWriting(path())
      const bytes = new Uint8Array(PIPE_BYTES + 1).fill(7)
      const written = sink.write(bytes)
      let read = 0
      while (read < bytes.length) read += await readReady(reader)
      await written
      const refused = expect(sink.write(bytes)).rejects.toMatchObject({ code: 'write_failed' })
      await sink.close()
      await refused
    } finally {
      await reader.close()
    }
  },
)

/** What a pipe holds unless told otherwise (pipe(7)). */
const PIPE_BYTES = 64 * 1024

const readReady = async (reader: FileHandle): Promise<number> => {
  try {
    return (await reader.read(new Uint8Array(PIPE_BYTES), 0, PIPE_BYTES, null)).bytesRead
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return 0
    throw error
  }
}

/** The reader's open and ours meet in the kernel; ours may come first. */
const openRetrying = async () => {
  const deadline = Date.now() + 10_000
  for (;;) {
    try {
      return await openWriting(path())
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test.runIf(onLinux)('a second recorder in another process is refused, until the first is gone', async () => {
  await writeFile(path(), '')
  const { dev, ino } = await stat(path(), { bigint: true })
  const other = spawn(process.execPath, ['-e', HOLD_NAME, `tidegate-recording-${dev}-${ino}`])
  try {
    await once(other.stdout, 'data')
    await expect(openFileSink(path())).rejects.toMatchObject({ code: 'file_unwritable' })
  } finally {
    other.kill('SIGKILL')
    await once(other, 'exit')
  }
  await (await openFileSink(path())).close()
})

const HOLD_NAME =
  "require('net').createServer().listen({ path: '\\0' + process.argv[1] }, () => console.log('held'))"

/** The largest file this process may write, which the kernel enforces in the middle of a write (setrlimit(2)). */
const limitFileSize = (bytes: number | 'unlimited') =>
  run('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`])

test.runIf(onLinux)(
  'a write cut short leaves nothing behind, and the next one fits or fails whole',
  async () => {
    const sink = await openWriting(path())
    const limit = 64 * 1024
    const [first, large, small] = [50_000, 50_000, 10_000].map((size, index) =>
      new Uint8Array(size).fill(index + 1),
    )
    if (first === undefined || large === undefined || small === undefined) throw new Error('unreachable')
    await sink.write(first)
    await limitFileSize(limit)
    try {
      await expect(sink.write(large)).rejects.toMatchObject({ code: 'write_failed', errno: 'EFBIG' })
      expect((await stat(path())).size).toBe(first.length)
      await sink.write(small)
    } finally {
      await limitFileSize('unlimited')
    }
    await sink.write(large)
    await sink.close()
    expect(await readFile(path())).toEqual(Buffer.concat([first, small, large]))
  },
)

test('what a writer that is gone left half-written is cut off when the file is closed', async () => {
  const file = await openFileSink(path())
  await new FileWriter(file.target).write(Uint8Array.of(1, 2, 3))
  // As a thread that dies in the middle of its next write leaves it.
  file.target.account[FILE_CELL.torn] = 1
  await appendFile(path(), Uint8Array.of(4))
  await file.close()
  expect([...(await readFile(path()))]).toEqual([1, 2, 3])
})

test('bytes in memory that threads share are written as any others', async () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(4), 1, 2).fill(7)
  await writeOnce(bytes)
  expect([...(await readFile(path()))]).toEqual([7, 7])
})

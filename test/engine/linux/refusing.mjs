/**
 * A process in a sandbox: a seccomp filter that refuses one system call, by its number, with ENOSYS. Prints what becomes of
 * an engine there, and how many descriptors it has left.
 */

import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chooseEngine } from '../../../build/control/engine-choice.js'
import { createLinuxEngine } from '../../../build/engine/linux/engine.js'

const PR_SET_SECCOMP = 22
const PR_SET_NO_NEW_PRIVS = 38
const SECCOMP_MODE_FILTER = 2
const SECCOMP_RET_ERRNO = 0x00050000
const SECCOMP_RET_ALLOW = 0x7fff0000
const ENOSYS = 38

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k (linux/filter.h). */
const program = (number) => {
  const filter = Buffer.alloc(4 * 8)
  const instruction = (at, code, jt, jf, k) => {
    filter.writeUInt16LE(code, at * 8)
    filter.writeUInt8(jt, at * 8 + 2)
    filter.writeUInt8(jf, at * 8 + 3)
    filter.writeUInt32LE(k, at * 8 + 4)
  }
  instruction(0, 0x20, 0, 0, 0) // load seccomp_data.nr
  instruction(1, 0x15, 0, 1, number) // if it is this one …
  instruction(2, 0x06, 0, 0, SECCOMP_RET_ERRNO | ENOSYS)
  instruction(3, 0x06, 0, 0, SECCOMP_RET_ALLOW)
  return filter
}

const koffi = createRequire(import.meta.url)('koffi')
const library = koffi.load(process.report.getReport().header.glibcVersionRuntime ? 'libc.so.6' : 'libc.so')
const Program = koffi.struct('Program', { length: 'uint16_t', filter: 'const void*' })
koffi.pointer('ProgramPointer', Program)
const prctl = library.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
const filter = library.func('prctl', 'int', [
  'int',
  'unsigned long',
  'const Program*',
  'unsigned long',
  'unsigned long',
])

const outcome = (make) => {
  try {
    return make()
  } catch (thrown) {
    return `${thrown.code}: ${thrown.message}`
  }
}

// Loads all there is to load.
await createLinuxEngine().close()
const before = readdirSync('/proc/self/fd').length
if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error('PR_SET_NO_NEW_PRIVS')
const refuse = { length: 4, filter: program(Number(process.argv[2])) }
if (filter(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, refuse, 0, 0) !== 0) throw new Error('PR_SET_SECCOMP')
const linux = outcome(() => createLinuxEngine().name)
const { engine, reason } = chooseEngine('auto')
const left = readdirSync('/proc/self/fd').length - before
process.stdout.write(JSON.stringify({ linux, auto: engine.name, reason, left }))
process.exit(0)

/**
 * Loads koffi and the C library. Both happen on first use, so that Tidegate can be imported where neither exists, and
 * each failure says why this machine cannot have the engine.
 */

import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import type * as Koffi from 'koffi'
import { messageOf, TidegateError } from '../../../errors.js'

export interface Foreign {
  readonly koffi: typeof Koffi
  readonly library: Koffi.LibraryHandle
}

/** Where the layouts and constants of this corner hold (the kernel's asm-generic ABI, little-endian). */
export const ARCHITECTURES = ['x64', 'arm64'] as const
export type Architecture = (typeof ARCHITECTURES)[number]

/** glibc first, then musl under the name its loader has, then what a distribution may call it. */
const LIBRARIES: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.so'],
  arm64: ['libc.so.6', 'libc.musl-aarch64.so.1', 'libc.so'],
}

export const unavailable = (why: string, cause?: unknown): TidegateError =>
  new TidegateError('engine_unavailable', `the linux engine cannot run here: ${why}`, {
    fault: 'system',
    ...(cause === undefined ? {} : { cause }),
  })

const isArchitecture = (name: string): name is Architecture =>
  ARCHITECTURES.some((architecture) => architecture === name)

export interface Machine {
  readonly platform: string
  readonly architecture: string
  readonly endianness: string
}

const thisMachine = (): Machine => ({
  platform: process.platform,
  architecture: process.arch,
  endianness: endianness(),
})

/** @throws TidegateError `engine_unavailable` unless the layouts of this corner hold on `machine`. */
export const supportedArchitecture = (machine: Machine = thisMachine()): Architecture => {
  if (machine.platform !== 'linux') throw unavailable(`this is ${machine.platform}, not Linux`)
  if (!isArchitecture(machine.architecture))
    throw unavailable(`the processor is ${machine.architecture}, not ${ARCHITECTURES.join(' or ')}`)
  if (machine.endianness !== 'LE') throw unavailable('the processor is big-endian')
  return machine.architecture
}

/** In one line: Node's own words for a package that is missing go on with the stack of who required it. */
export const whyKoffiFails = (thrown: unknown): string => {
  const [said = ''] = messageOf(thrown).split('\n', 1)
  return said === "Cannot find module 'koffi'"
    ? 'koffi, an optional dependency, is not installed'
    : `koffi does not load: ${said}`
}

const loadKoffi = (): typeof Koffi => {
  try {
    return createRequire(import.meta.url)('koffi')
  } catch (thrown) {
    throw unavailable(whyKoffiFails(thrown), thrown)
  }
}

const loadLibrary = (koffi: typeof Koffi, architecture: Architecture): Koffi.LibraryHandle => {
  let failure: unknown
  for (const name of LIBRARIES[architecture]) {
    try {
      return koffi.load(name)
    } catch (thrown) {
      failure ??= thrown
    }
  }
  throw unavailable(`the C library does not load: ${messageOf(failure)}`, failure)
}

/** @throws TidegateError `engine_unavailable`. */
export const loadForeign = (): Foreign => {
  const architecture = supportedArchitecture()
  const koffi = loadKoffi()
  return { koffi, library: loadLibrary(koffi, architecture) }
}

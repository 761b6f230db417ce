/** A file system of its own that is soon full, and how to make room there. Needs the right to mount one. */

import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, runWell } from './processes.js'
import type { Scope } from './scope.js'
import { findTool, toolPath } from './tools.js'

export interface SmallDisk {
  readonly folder: string
  /** Bytes that a user may still write. */
  free(): number
  /** Leaves `freeBytes` free, at most: the rest is taken by one file. */
  fill(freeBytes: number): void
  /** Gives back what was filled. */
  makeRoom(): void
}

export interface SmallDiskOptions {
  /** Files and folders that it has room for, its own root among them. */
  readonly inodes?: number
}

const PAGE = 4096

export const mountSmallDisk = async (
  scope: Scope,
  bytes: number,
  { inodes }: SmallDiskOptions = {},
): Promise<SmallDisk> => {
  const folder = join(scope.tempDir(), 'disk')
  mkdirSync(folder)
  const options = [`size=${bytes}`, ...(inodes === undefined ? [] : [`nr_inodes=${inodes}`])].join()
  await runWell(toolPath('mount'), ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  scope.defer(() => runWell(toolPath('umount'), [folder]))
  const ballast = join(folder, 'ballast')
  const free = (): number => {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  }
  const makeRoom = (): void => rmSync(ballast, { force: true })
  const fill = (freeBytes: number): void => {
    makeRoom()
    const taken = Math.floor((free() - freeBytes) / PAGE) * PAGE
    writeFileSync(ballast, Buffer.alloc(taken, 1))
  }
  return { folder, free, fill, makeRoom }
}

/** Whether this user may; if not, `what` is said to be skipped. */
export const mayMount = async (what: string): Promise<boolean> => {
  if (await triedToMount()) return true
  process.stderr.write(`SKIPPED ${what}: this user may not mount a file system\n`)
  return false
}

const triedToMount = async (): Promise<boolean> => {
  if (process.getuid?.() !== 0 || findTool('mount') === undefined) return false
  const scratch = join('/tmp', `tidegate-mount-${process.pid}`)
  mkdirSync(scratch)
  try {
    const mounted = await run(toolPath('mount'), ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', scratch])
    if (mounted.code === 0) await runWell(toolPath('umount'), [scratch])
    return mounted.code === 0
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

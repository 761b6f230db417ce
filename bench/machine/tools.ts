/** Programs installed on this machine. */

import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where the program is, or null. Also looks where daemons live, which a user's PATH often leaves out. */
export const findTool = (name: string): string | null =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin', '/usr/local/go/bin']
    .map((directory) => join(directory, name))
    .find(isExecutable) ?? null

/** What a program prints when asked for its version, on either stream; empty if it cannot be run. */
export const askVersion = (path: string, ...args: readonly string[]): string => {
  try {
    return execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', path, ...args], {
      encoding: 'utf8',
      timeout: 10_000,
    })
  } catch (thrown) {
    // wrk says its version and exits with 1.
    const { stdout } = thrown as { readonly stdout?: unknown }
    return typeof stdout === 'string' ? stdout : ''
  }
}

/** The first thing that looks like a version number. */
export const versionIn = (text: string): string | null => /\d+\.\d+(?:\.\d+)*/.exec(text)?.[0] ?? null

/** Finds the program that a command names, before anything is started, so that what is wrong with it can be said. */

import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { TidegateError } from '../errors.js'

/** A command and its arguments; no shell reads them. */
export type Words = readonly [string, ...string[]]

const statOf = (path: string): Stats | undefined => {
  try {
    return statSync(path)
  } catch {
    // Not there, or nothing that may be seen: for whoever looks it is the same.
    return undefined
  }
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const wrong = (command: string, message: string): TidegateError =>
  new TidegateError('not_found', message, { fault: 'usage', where: command })

/**
 * The program's path: as the shell finds it, by `PATH` unless the command has a slash; relative ones are `directory`'s.
 * @throws TidegateError `not_found`: it does not exist, is a directory, is not executable, or `directory` is none.
 */
export const findProgram = (command: string, directory: string, searchPath: string): string => {
  if (statOf(directory)?.isDirectory() !== true)
    throw wrong(directory, `cannot run '${command}': there is no directory '${directory}'`)
  if (command.includes('/')) {
    const path = resolve(directory, command)
    const stats = statOf(path)
    if (stats === undefined) throw wrong(command, `there is no program '${path}'`)
    if (stats.isDirectory()) throw wrong(command, `'${path}' is a directory, not a program`)
    if (!isExecutable(path)) throw wrong(command, `'${path}' is not executable`)
    return path
  }
  let found: string | null = null
  for (const folder of searchPath.split(delimiter)) {
    const path = join(resolve(directory, folder), command)
    if (command === '' || statOf(path)?.isFile() !== true) continue
    if (isExecutable(path)) return path
    found ??= path
  }
  if (found !== null) throw wrong(command, `'${found}' is not executable`)
  throw wrong(command, `there is no command '${command}' in PATH`)
}

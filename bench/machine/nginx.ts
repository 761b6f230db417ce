/** What the nginx that is a contender and the one that is a backend have in common. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { askVersion } from './tools.js'

/** One process in the foreground, which is all there is to measure and to end. */
export const nginxHead = (directory: string, maxConnections: number): string => `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections ${maxConnections}; }
`

export const nginxCommand = (path: string, directory: string, file: string): [string, ...string[]] => [
  path,
  '-p',
  directory,
  '-e',
  'stderr',
  '-c',
  join(directory, file),
]

/** The line that loads the stream module; empty if it is built in, null if there is none. */
export const streamModule = (path: string): string | null => {
  const built = askVersion(path, '-V')
  if (/--with-stream(?![=_\w])/.test(built)) return ''
  const directory = /--modules-path=(\S+)/.exec(built)?.[1]
  const file = directory === undefined ? null : join(directory, 'ngx_stream_module.so')
  return file !== null && existsSync(file) ? `load_module ${file};` : null
}

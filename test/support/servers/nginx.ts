/** An nginx of the test's own: serves a directory, and stores what is PUT below /upload/. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

export interface Nginx {
  readonly port: number
  /** The directory it serves; uploads appear in its `upload`. */
  readonly root: string
}

// One process, no master: it runs as whoever runs the tests, and its pid is all there is to end.
const config = (directory: string, port: number): string => `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  # As text, tshark would show it line by line.
  default_type application/octet-stream;
  access_log off;
  sendfile on;
  keepalive_requests 10000000;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  client_max_body_size 0;
  server {
    listen ${LOOPBACK}:${port} backlog=1024;
    root ${directory}/www;
    location / { }
    location /upload/ { dav_methods PUT; }
  }
}
`

export interface NginxCommand extends Nginx {
  /** What starts it, in the foreground. */
  readonly command: readonly [string, ...string[]]
}

export const nginxCommand = async (scope: Scope): Promise<NginxCommand> => {
  const directory = scope.tempDir()
  const port = await freePort()
  mkdirSync(join(directory, 'www', 'upload'), { recursive: true })
  writeFileSync(join(directory, 'nginx.conf'), config(directory, port))
  const command = [toolPath('nginx'), '-p', directory, '-c', join(directory, 'nginx.conf')] as const
  return { port, root: join(directory, 'www'), command }
}

export const startNginx = async (scope: Scope): Promise<Nginx> => {
  const { command, port, root } = await nginxCommand(scope)
  const [program, ...args] = command
  await waitUntilAccepting(startDaemon(scope, program, args), port)
  return { port, root }
}

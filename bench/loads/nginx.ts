/** The HTTP service behind the contenders: an nginx that answers every request with the same 12 bytes. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nginxCommand, nginxHead } from '../machine/nginx.js'
import { freePort, LOOPBACK, waitUntilListening } from '../machine/ports.js'
import { startProgram } from '../machine/programs.js'
import type { Site } from './bench-site.js'

/** More than any load opens. */
const MAX_CONNECTIONS = 2048

const config = (directory: string, port: number): string => `
${nginxHead(directory, MAX_CONNECTIONS)}
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  keepalive_timeout 10m;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen ${LOOPBACK}:${port} backlog=4096;
    return 200 "hello world\\n";
  }
}
`

/** @returns its port */
export const startHttpService = async ({ scope, cores, tool }: Site): Promise<number> => {
  const port = await freePort()
  const directory = scope.tempDir()
  writeFileSync(join(directory, 'service.conf'), config(directory, port))
  const command = nginxCommand(tool('nginx'), directory, 'service.conf')
  await waitUntilListening(startProgram(scope, cores.others(command)), port)
  return port
}

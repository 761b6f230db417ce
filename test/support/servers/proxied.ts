/** nginx and HAProxy as upstreams that want a PROXY header, and answer with the address that it names. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDaemon } from '../processes.js'
import type { Scope } from '../scope.js'
import { freePort, LOOPBACK, waitUntilAccepting } from '../sockets.js'
import { toolPath } from '../tools.js'

const nginxConfig = (directory: string, port: number): string => `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen ${LOOPBACK}:${port} proxy_protocol;
    return 200 "$proxy_protocol_addr:$proxy_protocol_port";
  }
}
`

const haproxyConfig = (port: number): string => `
global
  maxconn 200
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind ${LOOPBACK}:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
`

/** Speaks HTTP: each request is answered with the client's address. Resolves with the port. */
export const startAddressTeller = async (scope: Scope, program: 'nginx' | 'haproxy'): Promise<number> => {
  const directory = scope.tempDir()
  const port = await freePort()
  const file = join(directory, `${program}.conf`)
  writeFileSync(file, program === 'nginx' ? nginxConfig(directory, port) : haproxyConfig(port))
  const args = program === 'nginx' ? ['-p', directory, '-c', file] : ['-db', '-f', file]
  await waitUntilAccepting(startDaemon(scope, toolPath(program), args), port)
  return port
}

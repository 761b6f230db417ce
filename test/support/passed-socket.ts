/** A server that gets its listening socket by systemd's rules, and comes and goes; and a client that asks it. */

import { get } from 'node:http'

/**
 * The program. Answers `PID NAME WORD`: what its socket is called, and `$WORD`, or what was asked for. It ends when nobody has been
 * there for `$IDLE_MS`: so slowly by default that twenty of its lives are no storm of starts.
 */
export const PASSED_HTTP_SERVER = `
import { createServer } from 'node:http'
if (process.env.LISTEN_PID !== String(process.pid)) throw new Error('not for me')
if (process.env.LISTEN_FDS !== '1') throw new Error('how many?')
let timer
const { LISTEN_FDNAMES, WORD, IDLE_MS = '120' } = process.env
const server = createServer(({ url }, response) => response.end([process.pid, LISTEN_FDNAMES, WORD ?? url].join(' ')))
const idle = () => { timer = setTimeout(() => server.close(), Number(IDLE_MS)) }
let open = 0
server.on('connection', (socket) => {
  clearTimeout(timer)
  open++
  socket.on('close', () => { if (--open === 0) idle() })
})
server.listen({ fd: 3 }, idle)
`

export const answerOf = (port: number, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = get({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('error', reject)
  })

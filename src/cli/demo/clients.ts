/** The clients of the demo: a browser-like one, one that half-closes as `nc -N` does, and one that crashes. */

import { Agent, request } from 'node:http'
import { connect } from 'node:net'

const exchange = (agent: Agent, port: number, method: string, path: string, body?: string): Promise<void> =>
  new Promise((resolve, reject) => {
    request({ agent, host: '127.0.0.1', port, method, path }, (response) => {
      response.resume().once('end', resolve).once('error', reject)
    })
      .once('error', reject)
      .end(body)
  })

/** Several requests over one kept-alive connection. */
export const browse = async (port: number): Promise<void> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    await exchange(agent, port, 'POST', '/notes', 'The tide is out, the gate is open.')
    await exchange(agent, port, 'GET', '/notes')
    await exchange(agent, port, 'GET', '/favicon.ico')
  } finally {
    agent.destroy()
  }
}

/** Sends a request and its FIN, and still gets the whole answer. */
export const halfClose = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket
      .once('error', reject)
      .once('close', () => resolve())
      .once('end', () => socket.destroy())
      .resume()
      .end('GET /notes HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n')
  })

/** Announces a note, is told to go on, says half of it and resets the connection. */
export const crash = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('error', reject).once('close', () => resolve())
    socket.once('data', () => socket.write('I was just about to', () => socket.resetAndDestroy()))
    socket.write('POST /notes HTTP/1.1\r\nHost: demo\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n')
  })

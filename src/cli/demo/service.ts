/** The service of the demo: a small guest book over HTTP, as real as any, and as unaware of being recorded. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TidegateError } from '../../errors.js'

/** A note longer than this is refused; the demo's are shorter. */
const MAX_NOTE_BYTES = 64 * 1024

const readBody = async (request: AsyncIterable<Buffer>): Promise<string | null> => {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length > MAX_NOTE_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** GET /notes lists the notes, POST /notes adds one; everything else is not found. */
const answer = async (notes: string[], request: IncomingMessage, response: ServerResponse): Promise<void> => {
  if (request.url !== '/notes') {
    response.writeHead(404).end('not found\n')
    return
  }
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(notes)}\n`)
    return
  }
  const note = await readBody(request)
  if (note === null) {
    response.writeHead(413).end('too long\n')
    return
  }
  notes.push(note)
  response.writeHead(201, { 'content-type': 'text/plain' }).end(`note ${notes.length} kept\n`)
}

const guestBook = (): Server => {
  const notes: string[] = []
  return createServer((request, response) => {
    // A client that goes away in the middle of its request, as one of the demo's does, is no news.
    answer(notes, request, response).catch(() => response.destroy())
  })
}

export interface RunningService {
  readonly port: number
  close(): Promise<void>
}

const isBound = (address: AddressInfo | string | null): address is AddressInfo =>
  typeof address === 'object' && address !== null

export const startGuestBook = (): Promise<RunningService> =>
  new Promise((resolve, reject) => {
    const server = guestBook()
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (!isBound(address))
        return reject(new TidegateError('listen_failed', 'the demo service got no port', { fault: 'system' }))
      const close = (): Promise<void> =>
        new Promise((closed) => {
          server.close(() => closed())
          server.closeAllConnections()
        })
      return resolve({ port: address.port, close })
    })
  })

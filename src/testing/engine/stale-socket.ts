/** A unix socket's path as a killed process leaves it: bound once, closed, never removed. */

import { once } from 'node:events'
import { link, rename } from 'node:fs/promises'
import { createServer } from 'node:net'

export const leaveStaleSocket = async (path: string): Promise<void> => {
  const server = createServer()
  server.listen({ path })
  await once(server, 'listening')
  // Node removes the name it bound; a second name of the same socket stays.
  await link(path, `${path}.kept`)
  server.close()
  await once(server, 'close')
  await rename(`${path}.kept`, path)
}

/** gogetway, which records what it relays, too: its library, built from a checkout that is there; nothing is fetched. */

import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOOPBACK } from '../machine/ports.js'
import type { Contender } from './contender.js'
import { buildGo } from './go-build.js'

/** Names the folder of its source. */
const SOURCE = 'TIDEGATE_BENCH_GOGETWAY'

/** Its own command has the addresses and the name of the file built in. */
const PROGRAM = `package main

import (
	"gogetway/getwayServer"
	"log"
	"os"
)

func main() {
	file, err := os.OpenFile(os.Args[3], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	server := getwayServer.NewSimpleTCPServerWithWriterAndFunc(
		os.Args[2], os.Args[1], getwayServer.TCPType, file, nil)
	server.StartListen()
}
`

export const gogetway: Contender = {
  id: 'gogetway',
  title: 'gogetway',
  setUp:
    'its library with the default resource group, writing to a file as frames come; on all cores, as it is by default',
  recordsAs: 'gogetway',
  canPool: false,
  canWake: false,
  only: 'record',
  descriptorsEach: 2,
  find: async (scope) => {
    const source = process.env[SOURCE]
    if (source === undefined) return { missing: `${SOURCE} does not name a folder with its source` }
    if (!existsSync(join(source, 'getwayServer'))) return { missing: `${source} is not its source` }
    // The program has to be inside its module, whose name is no address; the checkout is left as it is.
    const copy = join(scope.tempDir(), 'gogetway')
    cpSync(source, copy, { recursive: true, filter: (each) => !each.endsWith('.git') })
    mkdirSync(join(copy, 'bench'))
    writeFileSync(join(copy, 'bench/main.go'), PROGRAM)
    const program = join(copy, 'bench/gogetway')
    const missing = await buildGo(scope, copy, program, './bench')
    if (missing !== null) return { missing }
    return {
      ready: {
        // It has none.
        version: 'source',
        launch: ({ port, upstream, recordTo }) => ({
          command: [program, `${LOOPBACK}:${port}`, upstream, recordTo ?? '/dev/null'],
        }),
      },
    }
  },
}

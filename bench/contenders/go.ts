/** The proxy that a Go programmer writes: two io.Copy for each connection. Built on the spot. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOOPBACK } from '../machine/ports.js'
import { runProgram } from '../machine/programs.js'
import { askVersion, findTool, versionIn } from '../machine/tools.js'
import type { Contender } from './contender.js'

// io.Copy between two TCP connections splices.
const SOURCE = `package main

import (
	"io"
	"log"
	"net"
	"os"
)

func copyOneWay(to, from *net.TCPConn, done chan<- struct{}) {
	io.Copy(to, from)
	to.CloseWrite()
	done <- struct{}{}
}

func serve(client net.Conn, upstreamAddress string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", upstreamAddress)
	if err != nil {
		return
	}
	defer upstream.Close()
	done := make(chan struct{}, 2)
	go copyOneWay(upstream.(*net.TCPConn), client.(*net.TCPConn), done)
	go copyOneWay(client.(*net.TCPConn), upstream.(*net.TCPConn), done)
	<-done
	<-done
}

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client, os.Args[2])
	}
}
`

/** A first build compiles Go's own library, too. */
const BUILD_MS = 120_000

export const go: Contender = {
  id: 'go',
  title: 'Go io.Copy',
  setUp: 'two goroutines with `io.Copy` for each connection, `GOMAXPROCS=1`',
  recordsAs: null,
  canPool: false,
  canWake: false,
  only: null,
  // Two sockets and, to splice, two pipes.
  descriptorsEach: 6,
  find: async (scope) => {
    const path = findTool('go')
    if (path === null) return { missing: 'go is not installed' }
    const directory = scope.tempDir()
    const program = join(directory, 'proxy')
    writeFileSync(join(directory, 'proxy.go'), SOURCE)
    try {
      // Nothing is to be downloaded: the program needs the standard library only.
      await runProgram(scope, [path, 'build', '-o', program, 'proxy.go'], {
        cwd: directory,
        env: { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'off', GOFLAGS: '', CGO_ENABLED: '0' },
        timeoutMs: BUILD_MS,
      })
    } catch (thrown) {
      return { missing: `its proxy could not be built: ${String(thrown)}` }
    }
    return {
      ready: {
        version: versionIn(askVersion(path, 'version')) ?? 'unknown',
        launch: ({ port, upstream }) => ({
          command: [program, `${LOOPBACK}:${port}`, upstream],
          env: { GOMAXPROCS: '1' },
        }),
      },
    }
  },
}

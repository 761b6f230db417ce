import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import colors from 'picocolors'
import { parseConfig } from '../../config/parse.js'
import { type Gateway, startGateway } from '../../control/gateway.js'
import { browse, crash, halfClose } from '../demo/clients.js'
import { startGuestBook } from '../demo/service.js'
import { usageError } from '../failure.js'
import { createLogger } from '../logging.js'
import { inspectCommand } from './inspect.js'
import { verifyCommand } from './verify.js'

const HELP = `
Starts a small HTTP service, a gateway in front of it that records, and three clients; then reads the
recording. Everything happens on this machine's loopback and takes a second.

Examples:
  tidegate demo
  tidegate demo --out demo.pcapng
`

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const chapter = (title: string): void => say(`\n${colors.bold(title)}\n`)

/** Shows the command line that a user would type, and runs it. */
const run = async (command: Command, ...args: readonly string[]): Promise<void> => {
  say(colors.cyan(`$ tidegate ${command.name()} ${args.join(' ')}`))
  await command.parseAsync([...args], { from: 'user' })
  say('')
}

const recordTraffic = async (file: string): Promise<void> => {
  const service = await startGuestBook()
  try {
    const config = parseConfig({
      listeners: [{ name: 'guest-book', listen: '127.0.0.1:0', upstream: `127.0.0.1:${service.port}` }],
      record: { file },
      log: { format: 'pretty' },
    })
    await visit(await startGateway(config, { logger: createLogger(config.log) }))
  } finally {
    await service.close()
  }
}

const visit = async (gateway: Gateway): Promise<void> => {
  const [listener] = gateway.listeners
  try {
    const port = listener?.address.kind === 'tcp' ? listener.address.port : 0
    await browse(port)
    await halfClose(port)
    await crash(port)
  } finally {
    await gateway.close()
  }
}

const runDemo = async (out: string | undefined): Promise<void> => {
  // A recording is continued; the demo would then tell of somebody else's connections.
  if (out !== undefined && existsSync(out)) throw usageError(`--out: '${out}' exists; expected a new file`)
  const file = out ?? join(await mkdtemp(join(tmpdir(), 'tidegate-demo-')), 'demo.pcapng')
  chapter('1. A service, a gateway in front of it that records, and three clients: the live log')
  await recordTraffic(file)
  chapter('2. What was recorded: the connections')
  await run(inspectCommand(), file)
  chapter('3. One of them: a client that sent its request, half-closed, and got the whole answer')
  await run(inspectCommand(), file, '--connection', '2')
  chapter('4. Is every byte there?')
  await run(verifyCommand(), file)
  chapter('5. The recording is a pcapng file. Open it:')
  say(`  wireshark ${file}`)
  say(`  tshark -r ${file} -q -z follow,tcp,ascii,1`)
  say(
    '\nNow with a service of your own, e.g.:\n\n  tidegate record 127.0.0.1:6380 127.0.0.1:6379 --out redis.pcapng\n',
  )
}

export const demoCommand = (): Command =>
  new Command('demo')
    .description('see the whole of it in a second: relay, record, read back')
    .option('-o, --out <file>', 'where to write the recording (default: a new temporary folder)')
    .addHelpText('after', HELP)
    .action(({ out }: { readonly out?: string }) => runDemo(out))

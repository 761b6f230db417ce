/** The command line as a whole: its commands, and how a wrong one is answered. */

import { Command, CommanderError } from 'commander'
import { VERSION } from '../control/version.js'
import { errnoOf } from '../errors.js'
import { checkCommand } from './commands/check.js'
import { demoCommand } from './commands/demo.js'
import { exportCommand } from './commands/export.js'
import { inspectCommand } from './commands/inspect.js'
import { recordCommand } from './commands/record.js'
import { relayCommand } from './commands/relay.js'
import { serveCommand } from './commands/serve.js'
import { tailCommand } from './commands/tail.js'
import { verifyCommand } from './commands/verify.js'
import { wakeCommand } from './commands/wake.js'
import { EXIT, type ExitCode, exitCodeOf, failureText } from './failure.js'

const HELP = `
Examples:
  tidegate relay 127.0.0.1:6380 127.0.0.1:6379
  tidegate record 127.0.0.1:6380 127.0.0.1:6379 --out redis.pcapng
  tidegate inspect redis.pcapng

'tidegate COMMAND --help' has the options and more examples. What runs a gateway can also be set in the environment,
e.g. TIDEGATE_IDLE_TIMEOUT=5m. Exit codes: 0 fine, 1 failed, 2 wrong usage.
`

/** Commander's own message, without its prefix, on one line, with where to find help. */
const usageText = (error: CommanderError, command: string): string => {
  const message = error.message.replace(/^error: |\.$/g, '').replaceAll('\n', ' ')
  return `tidegate: ${message}; see '${command} --help'\n`
}

const commandOf = (argv: readonly string[], names: readonly string[]): string => {
  const name = argv.find((word) => names.includes(word))
  return name === undefined ? 'tidegate' : `tidegate ${name}`
}

const createProgram = (): Command => {
  const program = new Command('tidegate')
    .description('A programmable TCP gateway: relay any TCP service, wake it, record it, read the recording.')
    .version(VERSION, '-V, --version')
    .addHelpText('after', HELP)
    .showSuggestionAfterError(true)
  const commands = [
    relayCommand(),
    recordCommand(),
    wakeCommand(),
    serveCommand(),
    checkCommand(),
    inspectCommand(),
    exportCommand(),
    verifyCommand(),
    tailCommand(),
    demoCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  for (const command of [program, ...commands])
    command.exitOverride().configureOutput({ outputError: () => {} })
  return program
}

/** A reader that left (`tidegate --help | head -1`) is no error; anything else that stops us from printing is a failure. */
export const quietPipes = (): void => {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => {
      if (errnoOf(error) !== 'EPIPE') process.exitCode = EXIT.failed
    })
}

/** Runs one command line (without `node` and the script). Resolves with the exit code; prints what went wrong. */
export const runProgram = async (argv: readonly string[]): Promise<ExitCode> => {
  const program = createProgram()
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return process.exitCode === undefined ? EXIT.ok : EXIT.failed
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) {
      process.stderr.write(failureText(thrown))
      return exitCodeOf(thrown)
    }
    // Asked-for help and version are errors to commander, with exit code 0.
    if (thrown.exitCode === 0) return EXIT.ok
    const names = program.commands.map((command) => command.name())
    if (thrown.code !== 'commander.help') process.stderr.write(usageText(thrown, commandOf(argv, names)))
    return EXIT.usage
  }
}

/** The command line as a whole: its commands, and how a wrong one is answered. */

import { Command, CommanderError } from 'commander'
import { VERSION } from '../control/version.js'
import { errnoOf } from '../errors.js'
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

/** In the order of the help. Each loads what it needs: `inspect` waits for no engine, `relay` for no decoder. */
const COMMANDS = {
  relay: async () => (await import('./commands/relay.js')).relayCommand,
  record: async () => (await import('./commands/record.js')).recordCommand,
  wake: async () => (await import('./commands/wake.js')).wakeCommand,
  serve: async () => (await import('./commands/serve.js')).serveCommand,
  check: async () => (await import('./commands/check.js')).checkCommand,
  inspect: async () => (await import('./commands/inspect.js')).inspectCommand,
  export: async () => (await import('./commands/export.js')).exportCommand,
  verify: async () => (await import('./commands/verify.js')).verifyCommand,
  tail: async () => (await import('./commands/tail.js')).tailCommand,
  demo: async () => (await import('./commands/demo.js')).demoCommand,
} satisfies Record<string, () => Promise<() => Command>>

const isCommand = (word: string | undefined): word is keyof typeof COMMANDS =>
  word !== undefined && Object.hasOwn(COMMANDS, word)

/** The one that is asked for; all of them for the help and for what is not understood. */
const loadCommands = async ([first]: readonly string[]): Promise<readonly Command[]> => {
  if (first === '--version' || first === '-V') return []
  const loads = isCommand(first) ? [COMMANDS[first]] : Object.values(COMMANDS)
  const creators = await Promise.all(loads.map((load) => load()))
  return creators.map((create) => create())
}

const createProgram = (commands: readonly Command[]): Command => {
  const program = new Command('tidegate')
    .description('A programmable TCP gateway: relay any TCP service, wake it, record it, read the recording.')
    .version(VERSION, '-V, --version')
    .addHelpText('after', HELP)
    .showSuggestionAfterError(true)
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
  const program = createProgram(await loadCommands(argv))
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

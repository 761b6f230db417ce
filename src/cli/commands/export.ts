import { randomUUID } from 'node:crypto'
import { fstat } from 'node:fs'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Command, Option } from 'commander'
import { VERSION } from '../../control/version.js'
import type { ConversationEncoder } from '../../core/convert/encoder.js'
import { createGogetwayEncoder } from '../../core/convert/gogetway.js'
import { createJsonLinesEncoder } from '../../core/convert/jsonl.js'
import { createMergeEncoder } from '../../core/convert/merge.js'
import { createPcapngEncoder } from '../../core/convert/pcapng.js'
import { looksLikeUrl, safeUrl } from '../../core/safe-url.js'
import type { RecordingFile } from '../../sources/file/recording.js'
import { base64 } from '../base64.js'
import { convert } from '../export/convert.js'
import { type FileIdentity, writeTarget } from '../export/target.js'
import { usageError } from '../failure.js'
import { type CommandIo, type Output, processIo, withStdout } from '../output.js'
import { FILES_ARGUMENT, FILES_HELP, readRecording } from '../reading.js'

const HELP = `
${FILES_HELP}

The format is told by --to's extension (.pcapng, .gogetway, .jsonl, .ndjson) or by --format; '--to -' writes to stdout and needs --format.

  gogetway  one frame for each chunk of data; opens, ends and gaps have no place in it
  pcapng    packets as they are, of several files in one; of gogetway recordings, a synthetic TCP conversation for each pair of ends
  jsonl     one object per event: open, data (base64), gap, fin, close

Examples:
  tidegate export redis.pcapng --to redis.jsonl
  tidegate export recordings/ --to all.pcapng
  tidegate export old.gogetway --to old.pcapng
  tidegate export redis.pcapng --to - --format gogetway | my-consumer
`

const FORMATS = ['pcapng', 'gogetway', 'jsonl'] as const
type Format = (typeof FORMATS)[number]

const EXTENSIONS: Readonly<Record<string, Format>> = {
  pcapng: 'pcapng',
  gogetway: 'gogetway',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
}

interface Flags {
  readonly to: string
  readonly format?: Format
  readonly force?: true
}

const formatOf = ({ to, format }: Flags): Format => {
  if (looksLikeUrl(to)) throw usageError(`--to '${safeUrl(to)}' is a URL: expected a path, or -`)
  if (format !== undefined) return format
  if (to === '-') throw usageError(`--to - needs --format: ${FORMATS.join(', ')}`)
  const extension = /\.([^./\\]+)$/.exec(to)?.[1]?.toLowerCase() ?? ''
  const found = Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : undefined
  if (found !== undefined) return found
  const known = Object.keys(EXTENSIONS).map((name) => `.${name}`)
  throw usageError(`--to '${to}' does not tell the format: expected ${known.join(', ')}, or give --format`)
}

const encoderOf = (format: Format, recording: RecordingFile): ConversationEncoder => {
  const application = `tidegate ${VERSION}`
  switch (format) {
    case 'jsonl':
      return createJsonLinesEncoder(base64)
    case 'gogetway':
      return createGogetwayEncoder()
    case 'pcapng':
      // The same frames give the same file, so they get no name where they need none.
      return recording.format === 'gogetway'
        ? createPcapngEncoder(application)
        : createMergeEncoder(application, randomUUID())
  }
}

const STDIN = 0

/** Also of stdin, which may be a file. What has no identity is no file. */
const identitiesOf = async (args: readonly string[], files: readonly string[]): Promise<FileIdentity[]> => {
  const looks = args.includes('-') ? [promisify(fstat)(STDIN)] : files.map((file) => stat(file))
  const found = await Promise.all(looks.map((look) => look.catch(() => null)))
  return found.filter((one) => one !== null)
}

export const exportCommand = (io: CommandIo = processIo()): Command =>
  new Command('export')
    .description('convert a recording, or many files, to one of pcapng, gogetway or JSON Lines')
    .argument(...FILES_ARGUMENT)
    .requiredOption('--to <file>', "the file to write, or '-' for stdout")
    .addOption(
      new Option('--format <format>', "what to write (default: by --to's extension)").choices(FORMATS),
    )
    .option('--force', 'replace a file that exists')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], flags: Flags) => {
      const format = formatOf(flags)
      await readRecording(io, files, async (recording, progress) => {
        const encoder = encoderOf(format, recording)
        const work = (output: Output): Promise<void> => convert(io, recording, progress, encoder, output)
        if (flags.to === '-') return withStdout(io, work)
        const inputs = await identitiesOf(files, recording.files)
        return writeTarget(io, flags.to, { force: flags.force ?? false, inputs }, work)
      })
    })

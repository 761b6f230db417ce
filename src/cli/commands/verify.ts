import { Command } from 'commander'
import type { CaptureRecord } from '../../core/codec/capture.js'
import { createVerifier, type Finding } from '../../core/inspect/verify.js'
import type { RecordingFile } from '../../sources/file/recording.js'
import { EXIT, usageError } from '../failure.js'
import { type CommandIo, type Output, processIo, withStdout } from '../output.js'
import { withRecording } from '../reading.js'
import { cutTail } from '../verify/repair.js'
import { isOk, jsonReporter, type Reporter, textReporter, type Verdict } from '../verify/report.js'

const HELP = `
FILE is a pcapng, pcap or gogetway recording; '-' reads stdin. Three things are checked: that the file follows its
format to the end, that each connection has all the bytes its ledger says were relayed, and that each packet that
Tidegate wrote matches its checksums. Exit code 1 on any damage, hole, mismatch or corrupt packet. Connections
without an end (the gateway was killed, or still runs) are listed as unfinished, which is no failure.

Examples:
  tidegate verify redis.pcapng
  tidegate verify redis.pcapng --json | jq 'select(.kind == "hole")'
  tidegate verify crashed.pcapng --repair
`

interface Flags {
  readonly repair?: true
  readonly json?: true
}

/** Reads everything before the damage, if there is any, and reports what is found on the way. */
const check = async (recording: RecordingFile, output: Output, { finding }: Reporter) => {
  const verifier = createVerifier(recording.format !== 'gogetway')
  const report = async (found: Iterable<Finding>): Promise<void> => {
    for (const one of found) await output.write(finding(one))
  }
  // Found while a batch is read, where nothing can be awaited; so at most those of one chunk wait here.
  const corrupt: Finding[] = []
  const note = (record: CaptureRecord): void => {
    for (const one of verifier.inspect(record)) corrupt.push(one)
  }
  for await (const batch of recording.batches(note)) {
    for (const event of batch) {
      if (corrupt.length > 0) await report(corrupt.splice(0))
      await report(verifier.push(event))
    }
    await report(corrupt.splice(0))
  }
  await report(verifier.end())
  return verifier.totals
}

/** What is before the cut has been verified, so the repaired file need not be read again. */
const repaired = async (path: string, recording: RecordingFile): Promise<Verdict['cut']> => {
  const { damage, bytesRead } = recording
  if (damage === null) return null
  return { offset: damage.offset, cutBytes: await cutTail(path, damage, bytesRead) }
}

export const verifyCommand = (io: CommandIo = processIo()): Command =>
  new Command('verify')
    .description('check a recording for damage, missing bytes and changed bytes')
    .argument('<FILE>', "the recording, or '-' for stdin")
    .option('--repair', 'cut off the torn record that a killed gateway leaves at the end')
    .option('--json', 'JSON Lines on stdout: one object per finding, a summary last')
    .addHelpText('after', HELP)
    .action(async (file: string, { repair, json }: Flags) => {
      if (repair && file === '-') throw usageError('--repair needs a file: stdin cannot be cut')
      const reporter = json ? jsonReporter : textReporter
      await withRecording(io, file, (recording, progress) =>
        withStdout(io, async (output) => {
          const totals = await check(recording, output, reporter)
          progress.stop()
          const { name, format, ignored } = recording
          const verdict = { file: name, format, totals, ignored }
          const summarise = async (damage: Verdict['damage'], cut: Verdict['cut']): Promise<void> => {
            const whole = { ...verdict, damage, cut }
            await output.write(reporter.summary(whole))
            if (!isOk(whole)) io.setExitCode(EXIT.failed)
          }
          if (!repair) return summarise(recording.damage, null)
          try {
            const cut = await repaired(file, recording)
            await summarise(null, cut)
          } catch (error) {
            await summarise(recording.damage, null)
            await output.flush()
            throw error
          }
        }),
      )
    })

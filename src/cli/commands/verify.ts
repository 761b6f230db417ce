import { Command } from 'commander'
import type { CaptureRecord } from '../../core/codec/capture.js'
import { createVerifier, type Finding } from '../../core/inspect/verify.js'
import type { FileDamage } from '../../sources/file/capture.js'
import type { RecordingFile } from '../../sources/file/recording.js'
import { EXIT, usageError } from '../failure.js'
import { type CommandIo, type Output, processIo, withStdout } from '../output.js'
import { FILES_ARGUMENT, FILES_HELP, throwAll, withRecording } from '../reading.js'
import { cutTail } from '../verify/repair.js'
import { isOk, jsonReporter, type Reporter, textReporter, type Verdict } from '../verify/report.js'

const HELP = `
${FILES_HELP}

Three things are checked: that each file follows its format to the end, that each connection has all the bytes its ledger says were relayed, and that each packet that
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

/** Reads everything before the damage of each file, if there is any, and reports what is found on the way. */
const check = async (recording: RecordingFile, output: Output, { finding, damage }: Reporter) => {
  const verifier = createVerifier(recording.format !== 'gogetway')
  const isSet = recording.files.length > 1
  const report = async (found: Iterable<Finding>, file?: string): Promise<void> => {
    for (const one of found) await output.write(finding(one, file))
  }
  // Found while a batch is read, where nothing can be awaited; so at most those of one chunk wait here.
  const corrupt: (readonly [Finding, string | undefined])[] = []
  const note = (record: CaptureRecord, file: string): void => {
    for (const one of verifier.inspect(record)) corrupt.push([one, isSet ? file : undefined])
  }
  const reportCorrupt = async (): Promise<void> => {
    for (const [one, file] of corrupt.splice(0)) await output.write(finding(one, file))
  }
  let told = 0
  for await (const batch of recording.batches(note)) {
    for (const event of batch) {
      if (corrupt.length > 0) await reportCorrupt()
      await report(verifier.push(event))
    }
    await reportCorrupt()
    for (const one of recording.damages.slice(told)) if (isSet) await output.write(damage(one))
    told = recording.damages.length
  }
  await report(verifier.end())
  return verifier.totals
}

interface Repaired {
  /** What is left. */
  readonly damages: readonly FileDamage[]
  readonly cuts: Verdict['cuts']
  readonly errors: readonly unknown[]
}

/** What is before the cuts has been verified, so the repaired files need not be read again. */
const repairAll = async (damages: readonly FileDamage[]): Promise<Repaired> => {
  const left: FileDamage[] = []
  const cuts: Verdict['cuts'][number][] = []
  const errors: unknown[] = []
  for (const damage of damages) {
    const { file, offset } = damage
    try {
      cuts.push({ file, offset, cutBytes: await cutTail(damage) })
    } catch (error) {
      left.push(damage)
      errors.push(error)
    }
  }
  return { damages: left, cuts, errors }
}

export const verifyCommand = (io: CommandIo = processIo()): Command =>
  new Command('verify')
    .description('check a recording for damage, missing bytes and changed bytes')
    .argument(...FILES_ARGUMENT)
    .option('--repair', 'cut off the torn record that a killed gateway leaves at the end of a file')
    .option('--json', 'JSON Lines on stdout: one object per finding, a summary last')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], { repair, json }: Flags) => {
      if (repair && files.includes('-')) throw usageError('--repair needs files: stdin cannot be cut')
      const reporter = json ? jsonReporter : textReporter
      await withRecording(io, files, (recording, progress) =>
        withStdout(io, async (output) => {
          const totals = await check(recording, output, reporter)
          progress.stop()
          const { name, format, ignored, skipped } = recording
          const { damages, cuts, errors } = repair
            ? await repairAll(recording.damages)
            : { damages: recording.damages, cuts: [], errors: [] }
          const verdict: Verdict = {
            file: name,
            files: recording.files.length,
            skipped,
            format,
            totals,
            ignored,
            damages,
            cuts,
          }
          await output.write(reporter.summary(verdict))
          if (!isOk(verdict)) io.setExitCode(EXIT.failed)
          await output.flush()
          throwAll(io, errors)
        }),
      )
    })

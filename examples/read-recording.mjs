// Reads a recording as conversations, in constant memory: who said how much, and the first line of each side.
// Usage: node examples/read-recording.mjs FILE (or - for stdin)
import { openRecording } from 'tidegate/recording'

const firstLine = (bytes) => Buffer.from(bytes.subarray(0, 60)).toString('latin1').split('\r\n', 1)[0]

const fail = (why) => {
  console.error(`${why}; usage: node examples/read-recording.mjs FILE`)
  process.exit(2)
}

const [file] = process.argv.slice(2)
if (file === undefined) fail('FILE is missing')
const recording = await openRecording(file).catch(({ message }) => fail(message))
for await (const event of recording.events()) {
  if (event.kind === 'open') console.log(`#${event.connection} ${event.listener ?? ''}`)
  if (event.kind === 'data' && event.at === 0) {
    const arrow = event.direction === 'upstream' ? '>' : '<'
    console.log(`#${event.connection} ${arrow} ${firstLine(event.bytes)}`)
  }
  if (event.kind === 'close') console.log(`#${event.connection} ${event.annotation?.reason ?? event.how}`)
}
if (recording.damage !== null) console.error(`damaged at byte ${recording.damage.offset}`)

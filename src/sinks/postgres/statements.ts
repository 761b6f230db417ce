/**
 * What the sink says to the database. A batch is copied into tables of the session's own, and from there into the real
 * ones, where what is there already stays: so it may come any number of times.
 */

/** `ON COMMIT DELETE ROWS`: empty again for the next batch. */
export const STAGING = `
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_connections
  (LIKE connections) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_frames
  (LIKE frames INCLUDING STORAGE) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_marks
  (LIKE marks) ON COMMIT DELETE ROWS;
`

const CONNECTION_COLUMNS = [
  'recording',
  'connection',
  'listener',
  'client',
  'client_ip',
  'server',
  'opened',
  'opened_ns',
  'closed',
  'closed_ns',
  'reason',
  'upstream_seen',
  'upstream_stored',
  'upstream_lost',
  'upstream_cut',
  'downstream_seen',
  'downstream_stored',
  'downstream_lost',
  'downstream_cut',
  'ledger',
] as const

const connectionColumns = CONNECTION_COLUMNS.join(', ')
const FRAME_COLUMNS = 'recording, connection, at, time, direction, time_ns, data'
const MARK_COLUMNS = 'recording, connection, at, length, time, direction, time_ns, kind, why'

export const COPY_CONNECTIONS = `COPY pg_temp.incoming_connections (${connectionColumns}) FROM STDIN (FORMAT binary)`
export const COPY_FRAMES = `COPY pg_temp.incoming_frames (${FRAME_COLUMNS}) FROM STDIN (FORMAT binary)`
export const COPY_MARKS = `COPY pg_temp.incoming_marks (${MARK_COLUMNS}) FROM STDIN (FORMAT binary)`

/** Straight into the table; fails, and the whole transaction with it, if any of them is there already. */
export const COPY_NEW_FRAMES = `COPY frames (${FRAME_COLUMNS}) FROM STDIN (FORMAT binary)`

/** What is known of a connection comes in two halves, its opening and its end, in one batch or in two. */
export const STORE_CONNECTIONS = `
INSERT INTO connections AS c (${connectionColumns})
SELECT ${connectionColumns} FROM pg_temp.incoming_connections
ON CONFLICT (recording, connection) DO UPDATE SET
  ${CONNECTION_COLUMNS.slice(2)
    .map((column) => `${column} = coalesce(c.${column}, excluded.${column})`)
    .join(',\n  ')}
`

export const STORE_FRAMES = `
INSERT INTO frames (${FRAME_COLUMNS})
SELECT ${FRAME_COLUMNS} FROM pg_temp.incoming_frames
ON CONFLICT (recording, connection, direction, at) DO NOTHING
`

export const STORE_MARKS = `
INSERT INTO marks (${MARK_COLUMNS})
SELECT ${MARK_COLUMNS} FROM pg_temp.incoming_marks
ON CONFLICT (recording, connection, direction, at, kind) DO NOTHING
`

/** What the source asks the database. */

/** Connections read at a time, unless they are large. */
export const PAGE_CONNECTIONS = 100

export const RECORDINGS = `
SELECT recording FROM connections
WHERE $1::uuid IS NULL OR recording = $1::uuid
GROUP BY recording
ORDER BY min(opened), recording`

/** Nanoseconds since 1970, exact. */
const nanoseconds = (time: string, ns: string): string =>
  `(extract(epoch FROM ${time}) * 1000000)::bigint * 1000 + ${ns}`

export const CONNECTIONS = `
SELECT connection, listener, client, server,
       ${nanoseconds('opened', 'opened_ns')} AS opened,
       ${nanoseconds('closed', 'closed_ns')} AS closed,
       reason, ledger,
       upstream_stored + downstream_stored AS stored
FROM connections
WHERE recording = $1 AND connection > $2
ORDER BY connection
LIMIT ${PAGE_CONNECTIONS}`

/** Fields of a row of {@link toldOf}. */
export const TOLD = {
  connection: 0,
  direction: 1,
  at: 2,
  length: 3,
  time: 4,
  kind: 5,
  why: 6,
  data: 7,
} as const

/**
 * What these connections said, one after the other, in the order it was said. A clock that was set back must not
 * turn a direction's bytes round: nothing in it is earlier than what stands before it. COPY takes no parameters.
 */
export const toldOf = (recording: string, connections: readonly number[]): string => `
COPY (
  SELECT connection, direction, at, length, time, kind, why, data
  FROM (
    SELECT connection, direction, at, length, time, kind, why, data,
           max(time) OVER (PARTITION BY connection, direction ORDER BY at, kind) AS turn
    FROM (
      SELECT connection, direction, at, 0::bigint AS length, ${nanoseconds('time', 'time_ns')} AS time,
             'data' AS kind, NULL AS why, data
      FROM frames
      WHERE recording = '${recording}' AND connection IN (${connections.join(', ')})
      UNION ALL
      SELECT connection, direction, at, length, ${nanoseconds('time', 'time_ns')}, kind, why, NULL
      FROM marks
      WHERE recording = '${recording}' AND connection IN (${connections.join(', ')})
    ) AS told
  ) AS ordered
  ORDER BY connection, turn, direction, at, kind
) TO STDOUT (FORMAT binary)`

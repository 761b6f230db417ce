/** Whether the user may do all that storing takes, looked at before the first batch comes: later it would be too late to say so at the start. */

import { TidegateError } from '../../errors.js'
import type { Session } from '../../postgres/session.js'
import type { PostgresUrl } from '../../postgres/url.js'

/** What is stored stays as it is, but that the end of a connection is told in its row. To pass over what is there takes SELECT. */
const NEEDED = `
SELECT string_agg(format('%s on %I.%I', "right", current_schema, "table"), ', ') AS lacking
FROM (VALUES
  ('connections', 'SELECT'), ('connections', 'INSERT'), ('connections', 'UPDATE'),
  ('frames', 'SELECT'), ('frames', 'INSERT'),
  ('marks', 'SELECT'), ('marks', 'INSERT')
) AS needed ("table", "right")
WHERE NOT has_any_column_privilege("table", "right")`

/** Within the schema that the search path says. @throws TidegateError (rejects) `usage`: the user lacks a right on a table. */
export const checkPrivileges = async (session: Session, { where }: PostgresUrl): Promise<void> => {
  const { rows } = await session.query(NEEDED)
  const lacking = rows[0]?.lacking
  if (lacking === null || lacking === undefined) return
  throw new TidegateError('usage', `cannot write to ${where}: the user lacks a privilege (${lacking})`, {
    fault: 'usage',
    where,
  })
}

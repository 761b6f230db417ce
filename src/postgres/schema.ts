/**
 * The tables, as a list of steps: a database of version N has had the first N. A step that was released is never
 * changed; what is to be different is one more step. docs/postgres.md says what is in the tables.
 *
 * Names have no schema in front: the search path says where they are.
 */

/** Step 1. Columns of `frames` are in this order to be packed tightly: there are many rows. */
const TABLES = `
CREATE TYPE direction AS ENUM ('upstream', 'downstream');

CREATE TABLE connections (
  recording          uuid        NOT NULL,
  connection         bigint      NOT NULL,
  listener           text,
  client             text,
  client_ip          inet,
  server             text,
  opened             timestamptz,
  opened_ns          smallint,
  closed             timestamptz,
  closed_ns          smallint,
  reason             text,
  upstream_seen      bigint,
  upstream_stored    bigint,
  upstream_lost      bigint,
  upstream_cut       bigint,
  downstream_seen    bigint,
  downstream_stored  bigint,
  downstream_lost    bigint,
  downstream_cut     bigint,
  ledger             jsonb,
  PRIMARY KEY (recording, connection)
);
CREATE INDEX connections_opened ON connections (opened);
CREATE INDEX connections_client ON connections (client_ip, opened);
COMMENT ON TABLE connections IS 'One row for each connection; closed is null while it is open';
COMMENT ON COLUMN connections.opened_ns IS 'Nanoseconds beyond the microsecond of opened';
COMMENT ON COLUMN connections.ledger IS 'Of each direction: seen = stored + lost + cut, with the ranges';

CREATE TABLE frames (
  recording   uuid         NOT NULL,
  connection  bigint       NOT NULL,
  at          bigint       NOT NULL,
  time        timestamptz  NOT NULL,
  direction   direction    NOT NULL,
  time_ns     smallint     NOT NULL,
  data        bytea        NOT NULL,
  PRIMARY KEY (recording, connection, direction, at)
);
-- Traffic is mostly compressed or encrypted already, and trying costs more than storing.
ALTER TABLE frames ALTER COLUMN data SET STORAGE EXTERNAL;
-- Rows come in order of time, nearly: a summary of each stretch of the table is enough.
CREATE INDEX frames_time ON frames USING brin (time);
COMMENT ON TABLE frames IS 'What was said: bytes from position at of a direction of a connection';
COMMENT ON COLUMN frames.time_ns IS 'Nanoseconds beyond the microsecond of time';

CREATE TABLE marks (
  recording   uuid         NOT NULL,
  connection  bigint       NOT NULL,
  at          bigint       NOT NULL,
  length      bigint       NOT NULL,
  time        timestamptz  NOT NULL,
  direction   direction    NOT NULL,
  time_ns     smallint     NOT NULL,
  kind        text         NOT NULL CHECK (kind IN ('lost', 'cut', 'fin')),
  why         text,
  PRIMARY KEY (recording, connection, direction, at, kind)
);
COMMENT ON TABLE marks IS 'What is not in frames: lost, cut on purpose, and the FIN of a direction';
`

export const MIGRATIONS: readonly string[] = [TABLES]

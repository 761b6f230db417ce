/**
 * Connections that are followed at once: as many as one address has ports. Each costs about 1 KiB, so 64 MiB in all. Beyond it the least
 * recently active one is forgotten: what it holds back is given out, and its later packets begin a new connection.
 */
export const MAX_TRACKED_CONNECTIONS = 65_536

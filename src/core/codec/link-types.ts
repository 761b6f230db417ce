/** What a captured packet starts with, as numbered by tcpdump.org/linktypes.html: those that Tidegate can look into. */

export const LINK_TYPE = {
  null: 0,
  ethernet: 1,
  /** DLT_RAW of BSD and of OpenBSD, found in old files in place of {@link LINK_TYPE.raw}. */
  rawBsd: 12,
  rawOpenBsd: 14,
  /** An IPv4 or IPv6 packet, told apart by its version field. What Tidegate writes. */
  raw: 101,
  loop: 108,
  linuxSll: 113,
  ipv4: 228,
  ipv6: 229,
  linuxSll2: 276,
} as const

/**
 * The numbers of pcapng, shared by its reader and its writer (draft-ietf-opsawg-pcapng).
 *
 *     file     = 1*section
 *     section  = SHB *( IDB / EPB / SPB / PB / NRB / ISB / DSB / custom / unknown )
 *     block    = type:u32 length:u32 body length:u32     ; length counts the whole block and is a multiple of 4
 *     SHB body = byte-order-magic:u32 major:u16 minor:u16 section-length:i64 options
 *     IDB body = link-type:u16 reserved:u16 snaplen:u32 options
 *     EPB body = interface:u32 time-high:u32 time-low:u32 captured:u32 original:u32 data pad options
 *     SPB body = original:u32 data pad                   ; always interface 0
 *     PB body  = interface:u16 drops:u16, then as EPB    ; obsolete
 *     options  = *( code:u16 length:u16 value pad ) [ 0:u16 0:u16 ]
 *     pad      = zero bytes up to a multiple of 4
 *
 * Byte order is the section's: the byte-order magic says which.
 */

export const BLOCK_TYPE = {
  interfaceDescription: 1,
  /** Obsolete; read, never written. */
  packet: 2,
  simplePacket: 3,
  nameResolution: 4,
  interfaceStatistics: 5,
  enhancedPacket: 6,
  decryptionSecrets: 10,
  customCopyable: 0x00000bad,
  customNotCopyable: 0x40000bad,
  /** The same in both byte orders, so that it can be read before the order is known. */
  sectionHeader: 0x0a0d0d0a,
} as const

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d

export const VERSION = { major: 1, minor: 0 } as const

/** type, leading length and trailing length: the shortest block there is. */
export const BLOCK_OVERHEAD_BYTES = 12

/** The shortest valid block of each type that we look into: its fixed fields and no options. */
export const MIN_BLOCK_BYTES = {
  sectionHeader: 28,
  interfaceDescription: 20,
  enhancedPacket: 32,
  packet: 32,
  simplePacket: 16,
} as const

/** Where the fixed fields and the data of a packet block are; the obsolete PB is the same but for how wide its interface number is. */
export const EPB = { interface: 8, timeHigh: 12, timeLow: 16, captured: 20, original: 24, data: 28 } as const

export const OPTION = {
  end: 0,
  comment: 1,
  shbHardware: 2,
  shbOs: 3,
  shbUserApplication: 4,
  ifName: 2,
  ifDescription: 3,
  ifTsResolution: 9,
  ifTsOffset: 14,
  epbFlags: 2,
} as const

/** An option's length is a u16. */
export const MAX_OPTION_BYTES = 0xffff

/** Every option and every packet starts at a multiple of 4. */
export const padded = (length: number): number => Math.ceil(length / 4) * 4

/**
 * Node allocates 64 KiB for each read, and glibc's malloc gives memory back to the system as soon as 128 KiB at the end of
 * the heap are free: at full speed every read is then paid for with a dozen page faults (measured: 100,000 for 0.8 GB,
 * 40 % of the CPU time). Freeing one block that was large enough to be mapped by itself makes malloc keep twice
 * that block's size from then on (mallopt(3), M_MMAP_THRESHOLD, "dynamic"). Other allocators do not mind.
 */

/** Malloc then keeps 62 MiB, what is read between two garbage collections. A block over 32 MiB would tell it nothing. */
const MAPPED_BYTES = 31 * 1024 * 1024

/** Takes effect once the garbage collector has freed the block, which traffic brings about by itself. */
export const keepFreedMemory = (): void => {
  Buffer.allocUnsafeSlow(MAPPED_BYTES)
}

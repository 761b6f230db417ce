/** Where a worker thread begins. */

import { parentPort, workerData } from 'node:worker_threads'
import { createLinuxEngine } from '../../engine/linux/engine.js'
import type { WorkerSeat } from './protocol.js'
import { WorkerPlane } from './worker-plane.js'

if (parentPort === null) throw new Error('this file runs in a worker thread of the gateway')

// What the fleet starts it with.
const seat = workerData as WorkerSeat
const plane = new WorkerPlane(seat, parentPort, createLinuxEngine({ ledger: seat.ledger, owner: seat.plane }))

// Also before it dies of an error: those connections ended in order.
process.on('exit', () => plane.flush())

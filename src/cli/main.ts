#!/usr/bin/env node
import { quietPipes, runProgram } from './program.js'

quietPipes()

process.exitCode = await runProgram(process.argv.slice(2))

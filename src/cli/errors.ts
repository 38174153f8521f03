/** The two errors that a command reports as one line, without a stack. */

/** A mistake on the command line, described in one line; exit code 2. */
export class UsageError extends Error {}

/** The reason why a command failed, in one line; exit code 1. */
export class CommandFailure extends Error {}

/** A reason not to start that the operator can do something about: printed as it is, exit code 2. */
export class StartError extends Error {}

/** The probe could not find out whether the promise is kept. The message tells an operator why. */
export class ProbeFailed extends Error {}

/** What a failure of the network is called, without the addresses that Node adds. */
export function causeOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code && !message?.includes(code) ? `${message} (${code})` : (message ?? String(error));
}

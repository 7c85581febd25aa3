import type { Logger } from 'pino';
import type { ExternalAnswersOptions } from '../gate/external-answers.ts';

/** Tells the log of a service of somebody else's that did not say whether a rule matches; nobody is let in by that. */
export function unanswered(logger: Logger): ExternalAnswersOptions['onFailure'] {
  return (error, { evaluate_url: url }) => {
    // A path or query may have a secret in it.
    const { origin } = new URL(url);
    logger.warn({ origin, cause: wordsOf(error) }, 'an external evaluation has no answer');
  };
}

/** What happened is often below what it came to. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const message = error.message.replaceAll(/https?:\/\/\S+/g, (url) => originOf(url));
  return error.cause instanceof Error ? `${message}: ${error.cause.message}` : message;
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'the service';
}

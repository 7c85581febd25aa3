import { failureOf } from '../database/failures.ts';
import { ApiError, refusal } from '../kernel/errors.ts';

const RETRY_SOON = { 'retry-after': '1' };

/** Every error as a refusal: ours as they are, the framework's by their code, the rest bland. */
export function toRefusal(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const framework = frameworkRefusal(error);
  if (framework) return framework;
  const failure = failureOf(error);
  // A foreign key: what the request was about went away meanwhile, and a retry is told so.
  if (failure === 'unavailable' || failure === 'conflict' || failure === 'foreign_key') {
    return refusal('unavailable', { cause: error, headers: RETRY_SOON });
  }
  return refusal('internal', { cause: error });
}

function frameworkRefusal(error: unknown): ApiError | null {
  const code = (error as { code?: unknown } | null)?.code;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refusal('bodyTooLarge', { cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refusal('unsupportedMediaType', { cause: error });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_ASYNC_CONSTRAINT':
    case 'ERR_HTTP_INVALID_HEADER_VALUE':
    // A method that nobody knows, which HTTP/2 lets through.
    case 'FST_ERR_NOT_FOUND':
      return refusal('malformedRequest', { cause: error });
    default:
      return null;
  }
}

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refusal } from '../kernel/errors.ts';

const MAX_DEPTH = 64;

/**
 * The JSON parser: an empty body is no body; nothing is removed or replaced silently, so that bytes that are
 * no UTF-8, text that cannot be stored and keys that would reach a prototype are refused; and nesting is
 * bounded before anything recurses over it.
 */
export function addJsonParser(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(?:[\w.+-]+\+)?json(?:\s*;|$)/i,
    { parseAs: 'buffer' },
    (request: FastifyRequest, bytes: Buffer, done) => {
      const text = decodeUtf8(bytes);
      if (text === null) return done(refusal('malformedJson', { detail: 'not UTF-8' }));
      if (text.trim() === '') return done(null, undefined);
      if (depthOf(text) > MAX_DEPTH) return done(refusal('malformedJson', { detail: 'nested too deeply' }));
      parse(request, text, (error, value) => {
        if (error) return done(refusal('malformedJson', { cause: error }));
        // Only an escape can bring in what the bytes themselves cannot say.
        if (text.includes('\\u') && holds(value, isUnstorable)) return done(unstorableRefused());
        done(null, value);
      });
    },
  );
}

function decodeUtf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function isUnstorable(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}

function unstorableRefused() {
  return refusal('malformedRequest', { detail: 'NUL and unpaired surrogates are not allowed' });
}

/** NUL is refused wherever it appears: PostgreSQL cannot store it and C libraries end strings at it. */
export function nulRefused() {
  return refusal('malformedRequest', { detail: 'NUL is not allowed' });
}

/** Whether any text within a value read from a query or path has a NUL. */
export function hasNul(value: unknown): boolean {
  return holds(value, (text) => text.includes('\0'));
}

/** Whether any key or text within a parsed value is such a one. */
function holds(value: unknown, isSuch: (text: string) => boolean): boolean {
  if (typeof value === 'string') return isSuch(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => isSuch(key) || holds(inner, isSuch));
}

/** The deepest nesting of brackets outside strings, in one pass. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth--;
  }
  return deepest;
}

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { refusal } from '../kernel/errors.ts';

const MAX_DEPTH = 64;

/**
 * The JSON parser: an empty body is no body, a NUL or a key that would reach a prototype is refused rather
 * than removed, and nesting is bounded before anything recurses over it.
 */
export function addJsonParser(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(?:[\w.+-]+\+)?json(?:\s*;|$)/i,
    { parseAs: 'string' },
    (request: FastifyRequest, text: string, done) => {
      if (text.trim() === '') return done(null, undefined);
      if (depthOf(text) > MAX_DEPTH) return done(refusal('malformedJson', { detail: 'nested too deeply' }));
      parse(request, text, (error, value) => {
        if (error) return done(refusal('malformedJson', { cause: error }));
        if (text.includes('\0') || (text.includes('\\u0000') && hasNul(value))) return done(nulRefused());
        done(null, value);
      });
    },
  );
}

/** NUL is refused wherever it appears: PostgreSQL cannot store it and C libraries end strings at it. */
export function nulRefused() {
  return refusal('malformedRequest', { detail: 'NUL is not allowed' });
}

/** Whether any key or text within a parsed value has a NUL. */
export function hasNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => key.includes('\0') || hasNul(inner));
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

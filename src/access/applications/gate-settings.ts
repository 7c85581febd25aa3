import { isNeverCalled, parseAddress } from '../../kernel/address.ts';
import { misread, type Parsed, type Problem, parsed } from '../../kernel/result.ts';

/** Letters, digits and hyphens: what else a name may have, servers and proxies write in different ways. */
const HEADER_NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

/**
 * Headers that mean something to the gate, to a proxy or to the connection: our own, those of credentials that
 * come another way, routing, hop-by-hop (RFC 9110 §7.6.1), framing, and what browsers say of a request.
 */
const TAKEN =
  /^(?:cf-.*|portcullis-.*|x-portcullis-.*|x-forwarded-.*|sec-.*|content-.*|accept|accept-.*|proxy-.*|if-.*|access-control-.*|cookie2?|set-cookie2?|host|forwarded|via|x-real-ip|x-request-id|x-requested-with|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|http2-settings|origin|referer|range|date)$/;

/** What is wrong with the name of a header to read service tokens from; nothing if it can be. */
export function serviceHeaderProblems(name: string, pointer: string): Problem[] {
  const folded = name.toLowerCase();
  if (!HEADER_NAME.test(folded)) {
    return [
      { pointer, message: 'must be a header name of letters, digits and hyphens, such as Authorization' },
    ];
  }
  return TAKEN.test(folded) ? [{ pointer, message: 'is a header with another meaning' }] : [];
}

const SHAPE = 'must be an origin such as http://127.0.0.1:3000, without credentials, path or query';

/**
 * Reads the origin of the server behind a destination, in its canonical form. What a name resolves to is for
 * whoever dials it to check.
 */
export function parseUpstream(text: string, pointer: string): Parsed<string> {
  const url = /^https?:\/\/[^\s/\\?#@%]+\/?$/i.test(text) && URL.canParse(text) ? new URL(text) : null;
  if (!url || url.port === '0') return misread(pointer, SHAPE);
  const address = parseAddress(url.hostname.replace(/^\[|\]$/g, ''));
  if (address && isNeverCalled(address)) {
    return misread(pointer, 'must not be a link-local, unspecified or multicast address');
  }
  return parsed(url.origin);
}

import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { setsGateCookie } from '../protocol/cookies.ts';
import type { Admitted } from './admission.ts';
import { identityHeaders } from './answers.ts';
import type { Question } from './question.ts';
import { streamOf } from './sockets.ts';

/** By which name this proxy is known in `Via` (RFC 9110 §7.6.3). */
const VIA_NAME = 'portcullis';

/** How often a request may have come through here before it is taken for going round in circles. */
const MOST_PASSES = 4;

/** Of one connection and not of the message (RFC 9110 §7.6.1); what Connection names comes on top. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** What this proxy says itself or has answered already, and what would have an application read another path. */
const OURS_TO_SAY: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'cookie',
  'expect',
  'via',
  'forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-authorization',
  'x-portcullis-forward-auth-secret',
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-original-method',
  'x-rewrite-url',
]);

const NEVER_PASSED = /^(?:cf-access-|cf-client-cert-|portcullis-|x-forwarded-|proxy-)/;

/** One request on its way to an application, admitted. */
export interface Passage {
  readonly question: Question;
  readonly admitted: Admitted;
  readonly request: IncomingMessage;
  /** The protocol that both ends are to go on with, where the client asked for one. */
  readonly upgrade: string | null;
}

/**
 * The headers of the request to the application: the client's without what only a proxy may say, and with the
 * identity. Names with an underscore or a dot count as what some servers make of them.
 */
export function toRequestHeaders({ question, admitted, request, upgrade }: Passage): OutgoingHttpHeaders {
  const pairs = pairsOf(request.rawHeaders);
  const named = namedInConnection(pairs);
  const tokenHeader = admitted.destination.application.service_token_header;
  const kept = pairs.filter(([name, value]) => {
    const lower = name.toLowerCase();
    const isSecret = lower === tokenHeader && value.trimStart().startsWith('{');
    return isPassed(fold(lower)) && !named.has(lower) && !isSecret;
  });
  return {
    host: valuesOf(pairs, 'host')[0] ?? question.host,
    ...grouped(kept),
    ...framing(request, pairs),
    ...(upgrade === null ? {} : { connection: 'Upgrade', upgrade }),
    ...forwarding(question, request, pairs),
    ...identity(question, admitted),
  };
}

/** The headers of the application's answer to the client. */
export function toResponseHeaders(answer: IncomingMessage): OutgoingHttpHeaders {
  const pairs = pairsOf(answer.rawHeaders);
  const named = namedInConnection(pairs);
  const kept = pairs.filter(([name, value]) => {
    const lower = name.toLowerCase();
    if (lower === 'set-cookie') return !setsGateCookie(value);
    return !isHopByHop(lower) && !named.has(lower) && lower !== 'via';
  });
  return { ...grouped(withoutRepeats(kept)), via: viaOf(answer, pairs) };
}

/** Trailers say nothing about whom, whereto or how long (RFC 9110 §6.5.1). */
export function toTrailers(rawTrailers: readonly string[]): OutgoingHttpHeaders {
  const kept = pairsOf(rawTrailers).filter(([name]) => {
    const folded = fold(name.toLowerCase());
    return isPassed(folded) && !/^(?:set-cookie|authorization|content-.*|cache-control)$/.test(folded);
  });
  return grouped(withoutRepeats(kept));
}

/** Fields that have one value by their definition: HTTP/2 cannot even be sent two, and the first is the one that counts. */
const SINGLE_VALUED =
  /^(?:access-control-(?:allow-credentials|max-age)|age|content-(?:encoding|language|length|location|md5|range|type)|date|dnt|etag|expires|last-modified|location|retry-after|tk|x-content-type-options|if-.*|range|referer|user-agent|from|host|authorization|max-forwards|upgrade-insecure-requests)$/;

function withoutRepeats(pairs: readonly Pair[]): Pair[] {
  const seen = new Set<string>();
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    const isRepeat = SINGLE_VALUED.test(lower) && seen.has(lower);
    seen.add(lower);
    return !isRepeat;
  });
}

/** Whether the request came through here so often that it can only be a circle. */
export function isCircling({ rawHeaders }: IncomingMessage): boolean {
  const hops = valuesOf(pairsOf(rawHeaders), 'via').flatMap((value) => value.split(','));
  return hops.filter((hop) => hop.trim().split(/\s+/)[1] === VIA_NAME).length > MOST_PASSES;
}

type Pair = [name: string, value: string];

function pairsOf(raw: readonly string[]): Pair[] {
  const pairs: Pair[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return pairs;
}

function valuesOf(pairs: readonly Pair[], name: string): string[] {
  return pairs.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);
}

function fold(name: string): string {
  return name.replaceAll(/[_.]/g, '-');
}

function isPassed(folded: string): boolean {
  return !isHopByHop(folded) && !OURS_TO_SAY.has(folded) && !NEVER_PASSED.test(folded);
}

function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name) || name.startsWith('proxy-');
}

function namedInConnection(pairs: readonly Pair[]): ReadonlySet<string> {
  const names = valuesOf(pairs, 'connection').flatMap((value) => value.split(','));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

/** As Node takes them: a name with one value, or with several in their order. */
function grouped(pairs: readonly Pair[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = Object.create(null);
  const names = new Map<string, string>();
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase();
    const first = names.get(lower) ?? name;
    names.set(lower, first);
    const known = headers[first];
    headers[first] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value];
  }
  return headers;
}

/** How long the body is, said once: as the client said it, or in chunks where it did not. */
function framing(request: IncomingMessage, pairs: readonly Pair[]): OutgoingHttpHeaders {
  const [length] = valuesOf(pairs, 'content-length');
  if (length !== undefined) return { 'content-length': length };
  if (hasUnmeasuredBody(request, pairs)) return { 'transfer-encoding': 'chunked' };
  return BODILESS.has(request.method ?? '') ? {} : { 'content-length': '0' };
}

const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE']);

function hasUnmeasuredBody(request: IncomingMessage, pairs: readonly Pair[]): boolean {
  const stream = streamOf(request);
  return stream ? !stream.endAfterHeaders : valuesOf(pairs, 'transfer-encoding').length > 0;
}

function forwarding(question: Question, request: IncomingMessage, pairs: readonly Pair[]) {
  return {
    'x-forwarded-for': question.ip,
    'x-forwarded-proto': question.scheme,
    'x-forwarded-host': question.host,
    via: viaOf(request, pairs),
  };
}

function viaOf({ httpVersion }: IncomingMessage, pairs: readonly Pair[]): string {
  const version = httpVersion === '2.0' ? '2' : httpVersion;
  return [...valuesOf(pairs, 'via'), `${version} ${VIA_NAME}`].join(', ');
}

/**
 * Without a cookie of the application's own there is no Cookie header; of whoever was not asked who they are, nothing
 * is said.
 */
function identity(question: Question, admitted: Admitted): OutgoingHttpHeaders {
  const { cookie, ...headers } = identityHeaders(question, admitted);
  return { ...(cookie === '' ? {} : { cookie }), ...(admitted.assertion === null ? {} : headers) };
}

/** The head of the answer after which both ends speak another protocol. */
export function switchingHead(answer: IncomingMessage, protocol: string): string {
  const headers = { connection: 'Upgrade', upgrade: protocol, ...toResponseHeaders(answer) };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${name}: ${one}\r\n`),
  );
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`;
}

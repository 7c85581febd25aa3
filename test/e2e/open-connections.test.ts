import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { startChromium } from '../support/chromium.ts';
import type { Person } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { type Proxied, startProxied } from '../support/proxied.ts';

/*
 * What a person has open in a real browser, through the built-in proxy, ends with the call that takes their access
 * away: a WebSocket, a stream of events and a long download.
 */

const chromium = await startChromium();

/** What the application's page knows of its three connections. */
interface Seen {
  readonly socket: readonly string[];
  readonly events: readonly string[];
  readonly download: string;
  readonly bytes: number;
}

const PAGE = `<!doctype html><title>Live</title><h1>Live</h1><script>
const seen = (window.seen = { socket: [], events: [], download: 'waiting', bytes: 0 });
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/socket');
socket.onopen = () => { seen.socket.push('open'); socket.send('hello'); };
socket.onmessage = ({ data }) => seen.socket.push(data);
socket.onclose = ({ code }) => seen.socket.push('closed ' + code);
const events = new EventSource('/events');
events.onmessage = ({ data }) => seen.events.push(data);
events.onerror = () => { seen.events.push('error'); events.close(); };
const load = async () => {
  const reader = (await fetch('/long')).body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return 'complete';
    seen.download = 'under way';
    seen.bytes += value.length;
  }
};
load().then((end) => { seen.download = end; }, () => { seen.download = 'broken off'; });
</script>`;

describe('open connections of a real browser', {
  skip: typeof chromium === 'string' && chromium,
}, () => {
  let proxied: Proxied;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    proxied = await startProxied(await kind.create());
    proxied.upstream.paths['/live'] = (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    };
    proxied.upstream.paths['/long'] = (request, response) => {
      request.resume();
      drip(response);
    };
  });
  after(async () => {
    if (typeof chromium !== 'string') await chromium.close();
    await proxied?.[Symbol.asyncDispose]();
  });

  test('a WebSocket, a stream and a download are cut when revoke_user returns, and only those of that person', async () => {
    const { world, upstream } = proxied;
    const [ana, ben] = [person('Ana'), person('Ben')];
    await using hers = await visit(ana);
    await using his = await visit(ben);
    await untilAllFlow(hers.page);
    await untilAllFlow(his.page);
    assert.equal(upstream.webSockets.size, 2);
    const streams = upstream.arrivals.filter(({ url }) => url === '/events');
    assert.equal(streams.length, 2);

    await world.sdk.zeroTrust.organizations.revokeUsers({
      account_id: world.account_id,
      email: ana.email,
    });
    for (const { response } of streams) response?.write('data: late\n\n');
    for (const socket of upstream.webSockets) socket.send('late');
    await until(hers.page, "seen.socket.at(-1).startsWith('closed') && seen.events.at(-1) === 'error'");
    await until(hers.page, "seen.download === 'broken off'");
    const cut = await seenBy(hers.page);
    assert.deepEqual(cut.socket.slice(0, 2), ['open', 'hello']);
    assert.match(cut.socket[2] ?? '', /^closed (?:4401|1006)$/);
    assert.deepEqual(cut.events, ['first', 'error'], 'nothing that was sent after the return arrived');
    assert.equal(
      await hers.page.evaluate("fetch('/live', { redirect: 'manual' }).then(({ status }) => status)"),
      401,
    );

    await until(his.page, "seen.events.includes('late') && seen.socket.includes('late')");
    const before = (await seenBy(his.page)).bytes;
    await until(his.page, `seen.bytes > ${before}`);
    assert.equal((await seenBy(his.page)).download, 'under way');
    assert.equal(upstream.webSockets.size, 1);
  });

  function person(name: string): Person {
    const sub = name.toLowerCase();
    return proxied.world.person({ sub, name, email: `${sub}@example.com` });
  }

  /** A browser of its own in which that person has signed in and opened the page. */
  async function visit({ name = '' }: Person) {
    assert.ok(typeof chromium !== 'string');
    const context = await chromium.newContext();
    const page = await context.newPage();
    await page.goto(`${proxied.application.site}/live`);
    assert.equal(new URL(page.url()).origin, proxied.world.provider.issuer);
    await page.getByRole('button', { name }).click();
    await page.waitForURL(`${proxied.application.site}/live`);
    return { page, [Symbol.asyncDispose]: () => context.close() };
  }
});

const PIECE = Buffer.alloc(16 * 1024, 'x');
const PIECES = 100_000;

/** A body of more than a gigabyte, a piece at a time; it ends with its connection. */
function drip(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': PIECE.length * PIECES });
  const timer = setInterval(() => response.write(PIECE), 20);
  response.once('close', () => clearInterval(timer));
}

async function untilAllFlow(page: Page): Promise<void> {
  await until(page, "seen.socket.includes('hello') && seen.events.includes('first') && seen.bytes > 0");
}

async function until(page: Page, condition: string): Promise<void> {
  await page.waitForFunction(condition, undefined, { timeout: 20_000 });
}

async function seenBy(page: Page): Promise<Seen> {
  return await page.evaluate<Seen>('window.seen');
}

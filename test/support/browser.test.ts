import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { Browser } from './browser.ts';
import { CookieJar } from './cookie-jar.ts';

interface CookieScenario {
  given: string;
  from: string;
  set: string;
  sentTo?: readonly string[];
  notSentTo: readonly string[];
}

const team = 'http://team.localhost:8787/cdn-cgi/access/callback';

const cookieScenarios: readonly CookieScenario[] = [
  {
    given: 'a cookie without a domain stays on its host, whatever the port',
    from: team,
    set: 'a=1; Path=/',
    sentTo: ['http://team.localhost:8787/', 'http://team.localhost:9999/x'],
    notSentTo: ['http://app.localhost:8787/', 'http://sub.team.localhost:8787/', 'http://localhost:8787/'],
  },
  {
    given: 'a cookie with a domain reaches the hosts below it',
    from: team,
    set: 'a=1; Path=/; Domain=localhost',
    sentTo: ['http://app.localhost/', 'http://localhost/'],
    notSentTo: ['http://127.0.0.1/', 'http://notlocalhost/'],
  },
  {
    given: 'a cookie for somebody else’s domain is refused',
    from: team,
    set: 'a=1; Path=/; Domain=app.localhost',
    notSentTo: ['http://app.localhost/', team],
  },
  {
    given: 'a path covers what lies below it and nothing that merely begins alike',
    from: team,
    set: 'a=1; Path=/cdn-cgi',
    sentTo: ['http://team.localhost/cdn-cgi', 'http://team.localhost/cdn-cgi/access'],
    notSentTo: ['http://team.localhost/', 'http://team.localhost/cdn-cgi-else'],
  },
  {
    given: 'without a path it is the folder of the address that set it',
    from: team,
    set: 'a=1',
    sentTo: ['http://team.localhost/cdn-cgi/access/login'],
    notSentTo: ['http://team.localhost/cdn-cgi/'],
  },
  {
    given: 'a secure cookie is accepted over http from loopback',
    from: team,
    set: '__Host-session=1; Path=/; Secure; HttpOnly',
    sentTo: [team],
    notSentTo: [],
  },
  {
    given: 'a secure cookie is not accepted over plain http',
    from: 'http://team.example.com/',
    set: 'a=1; Path=/; Secure',
    notSentTo: ['http://team.example.com/', 'https://team.example.com/'],
  },
  { given: '__Host- without Secure is refused', from: team, set: '__Host-a=1; Path=/', notSentTo: [team] },
  {
    given: '__Host- with a narrower path is refused',
    from: team,
    set: '__Host-a=1; Secure; Path=/cdn-cgi',
    notSentTo: [team],
  },
  {
    given: 'Max-Age=0 is no cookie, whatever Expires says',
    from: team,
    set: 'a=1; Path=/; Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT',
    notSentTo: [team],
  },
  {
    given: 'a date in the past is no cookie',
    from: team,
    set: 'a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    notSentTo: [team],
  },
  { given: 'a nameless cookie is refused', from: team, set: 'just-a-word', notSentTo: [team] },
];

describe('the cookie jar', () => {
  for (const { given, from, set, sentTo = [], notSentTo } of cookieScenarios) {
    test(given, () => {
      const jar = new CookieJar();
      jar.store(new URL(from), [set]);
      for (const url of notSentTo) assert.equal(jar.header(new URL(url)), null, url);
      for (const url of sentTo) assert.equal(jar.header(new URL(url)), set.split(';')[0], url);
    });
  }

  test('an expired cookie is gone, and a new one of its name takes its place', () => {
    const clock = { now: 0 };
    const jar = new CookieJar(() => clock.now);
    jar.store(new URL(team), ['a=1; Path=/; Max-Age=10', 'b=1; Path=/']);
    jar.store(new URL(team), ['b=2; Path=/']);
    assert.equal(jar.header(new URL(team)), 'a=1; b=2');
    clock.now = 10_000;
    assert.equal(jar.header(new URL(team)), 'b=2');
  });

  test('of two cookies with one name the longer path comes first', () => {
    const jar = new CookieJar();
    jar.store(new URL(team), ['a=root; Path=/', 'a=deep; Path=/cdn-cgi']);
    assert.equal(jar.header(new URL(team)), 'a=deep; a=root');
  });
});

describe('the browser', () => {
  test('names the host it was asked for and carries its cookies through redirects between hosts', async () => {
    await using site = await serve((request, response) => {
      const seen = `${request.headers.host} ${request.url} ${request.headers.cookie ?? '-'}`;
      if (request.url !== '/start') return response.end(seen);
      response.setHeader('set-cookie', 'a=1; Path=/');
      return response.writeHead(302, { location: `http://app.localhost:${site.port}/end?x=1` }).end();
    });
    const browser = new Browser();
    const page = await browser.follow(`http://team.localhost:${site.port}/start`);
    assert.equal(page.text, `app.localhost:${site.port} /end?x=1 -`);
    const back = await browser.get(`http://team.localhost:${site.port}/`);
    assert.equal(back.text, `team.localhost:${site.port} / a=1`);
  });

  test('stops before the redirect that it was told of, and can go on from there', async () => {
    const asked: string[] = [];
    await using site = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const next = { '/1': '/2', '/2': '/3' }[request.url ?? ''];
      if (next === undefined) return response.end('done');
      return response.writeHead(303, { location: next }).end();
    });
    const browser = new Browser();
    const first = await browser.post(`http://team.localhost:${site.port}/1`, { login: 'ann' });
    const stopped = await browser.followFrom(first, { until: ({ pathname }) => pathname === '/3' });
    assert.equal(stopped.location?.pathname, '/3');
    assert.deepEqual(asked, ['POST /1', 'GET /2']);
    assert.equal((await browser.followFrom(stopped)).text, 'done');
  });

  test('gives up on a circle of redirects', async () => {
    await using site = await serve((_request, response) => response.writeHead(302, { location: '/' }).end());
    await assert.rejects(new Browser().follow(`http://localhost:${site.port}/`), /more than 20 redirects/);
  });

  test('never dials a host that is not loopback, unless it was given a port for it', async () => {
    await using site = await serve((request, response) => response.end(request.headers.host));
    await assert.rejects(new Browser().get('http://team.example.com/'), /not a loopback address/);
    const browser = new Browser({ ports: { 'team.example.com': site.port } });
    assert.equal((await browser.get('https://team.example.com/')).text, 'team.example.com');
  });

  test('sends what a navigation sends, and leaves out what it is told to', async () => {
    await using site = await serve((request, response) => response.end(JSON.stringify(request.headers)));
    const url = `http://localhost:${site.port}/`;
    assert.equal(JSON.parse((await new Browser().get(url)).text)['sec-fetch-mode'], 'navigate');
    const bare = JSON.parse((await new Browser().get(url, { 'sec-fetch-mode': null, accept: 'a/b' })).text);
    assert.equal('sec-fetch-mode' in bare, false);
    assert.equal(bare.accept, 'a/b');
  });
});

async function serve(listener: RequestListener): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

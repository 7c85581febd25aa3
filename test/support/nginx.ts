import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programIsMissing, runInForeground } from './foreground.ts';
import type { ProxyPlaces, ProxyProgram } from './proxy.ts';

const CONFIGURATION = new URL('../../docs/nginx/portcullis.conf', import.meta.url);
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** The real nginx with docs/nginx/portcullis.conf, which nginx gives no way to take values from outside. */
export const nginx: ProxyProgram = {
  name: 'nginx',
  isMissing: () => programIsMissing('nginx', ['-v'], 'nginx'),
  start: async (places) => {
    const folder = join(places.folder, 'nginx');
    await mkdir(folder);
    await writeFile(join(folder, 'portcullis.conf'), await withValues(places));
    await writeFile(join(folder, 'nginx.conf'), surroundings(folder));
    const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
    return await runInForeground({ program: 'nginx', args, port: places.port });
  },
};

/** The published file with the names and ports that its head says are to be replaced, and nothing else. */
async function withValues({ port, team, application, applicationUpstream, gateUpstream }: ProxyPlaces) {
  const values = {
    'listen 80;': `listen 127.0.0.1:${port};`,
    'server_name team.example.com;': `server_name ${team};`,
    'server_name app.example.com;': `server_name ${application};`,
    'server 127.0.0.1:3000;': `server ${applicationUpstream};`,
    'server 127.0.0.1:8787;': `server ${gateUpstream};`,
  };
  let text = await readFile(CONFIGURATION, 'utf8');
  for (const [published, here] of Object.entries(values)) {
    assert.ok(text.includes(published), published);
    text = text.replaceAll(published, here);
  }
  return text;
}

/** What Debian has in /etc/nginx/nginx.conf around it. */
function surroundings(folder: string): string {
  const temporary = TEMPORARY.map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ');
  return `daemon off; master_process off; pid ${join(folder, 'nginx.pid')}; error_log stderr error;
events { worker_connections 1024; }
http { access_log off; ${temporary} include ${join(folder, 'portcullis.conf')}; }
`;
}

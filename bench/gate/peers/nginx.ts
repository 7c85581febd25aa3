import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../../../test/support/free-port.ts';
import { pin } from '../../harness/cores.ts';
import { type Server, startProcess, untilListening } from '../../harness/servers.ts';

/** The version of the nginx on this machine, or null if there is none. */
export function nginxVersion(): string | null {
  const { stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  return /nginx\/(\S+)/.exec(stderr ?? '')?.[1] ?? null;
}

const READY_WITHIN_MS = 10_000;

/** nginx as a reverse proxy to a port of loopback: one process, kept connections, no access log, nothing on disk. */
export async function startNginx(
  folder: string,
  { upstream, core }: { upstream: number; core: number | null },
): Promise<Server> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'nginx.conf');
  await writeFile(file, configuration(folder, { port, upstream }));
  const started = startProcess(['nginx', '-e', 'stderr', '-p', folder, '-c', file]);
  try {
    await untilListening(started, { port, within: READY_WITHIN_MS });
    pin(started.pid, core);
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
  return { pid: started.pid, port, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

function configuration(folder: string, { port, upstream }: { port: number; upstream: number }): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  proxy_max_temp_file_size 0;
  keepalive_requests 100000000;
  upstream application { server 127.0.0.1:${upstream}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }
  }
}
`;
}

import { FORWARD_AUTH_PATH } from '../gate/forward-auth-families.ts';
import type { Cidr } from '../kernel/address.ts';

/** Who may ask, and under which address. */
export interface ForwardAuthPlace {
  readonly trustedProxies: readonly Cidr[];
  readonly forwardAuthSecret: string | null;
  /** Origin. */
  readonly publicUrl: string;
}

/** What the start says of forward-auth: where each family of proxies asks, if any may. */
export function forwardAuthLines({
  trustedProxies,
  forwardAuthSecret,
  publicUrl,
}: ForwardAuthPlace): string[] {
  if (trustedProxies.length === 0 && forwardAuthSecret === null) {
    return ['  forward-auth  off: set --trusted-proxy or --forward-auth-secret-file'];
  }
  const url = `${publicUrl}${FORWARD_AUTH_PATH}`;
  const [first, ...more] = [
    `${url} for Caddy and Traefik`,
    `${url}/nginx`,
    `${url}/haproxy`,
    forwardAuthSecret === null ? 'Envoy: off, it needs --forward-auth-secret-file' : `${url}/envoy`,
  ];
  return [`  forward-auth  ${first}`, ...more.map((line) => `                ${line}`)];
}

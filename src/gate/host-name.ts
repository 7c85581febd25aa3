/** The name in a host: what stands before a port. */
export function withoutPort(host: string): string {
  return host.replace(/:\d{1,5}$/, '');
}

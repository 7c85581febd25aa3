import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';

/** The provider's memory: everything in one map, and clients as the test has them at the moment. */
export function createOpenIdStore(findClient: (id: string) => AdapterPayload | undefined): AdapterFactory {
  const entries = new Map<string, AdapterPayload>();
  return (kind) => (kind === 'Client' ? clientStore(findClient) : createStore(kind, entries));
}

function createStore(kind: string, entries: Map<string, AdapterPayload>): Adapter {
  const keyOf = (id: string) => `${kind}:${id}`;
  const own = () => [...entries].filter(([key]) => key.startsWith(keyOf('')));
  return {
    async upsert(id, payload) {
      entries.set(keyOf(id), payload);
    },
    async find(id) {
      return entries.get(keyOf(id));
    },
    async findByUid(uid) {
      return own().find(([, payload]) => payload.uid === uid)?.[1];
    },
    async findByUserCode() {
      return undefined;
    },
    async consume(id) {
      const payload = entries.get(keyOf(id));
      if (payload) payload.consumed = Math.floor(Date.now() / 1000);
    },
    async destroy(id) {
      entries.delete(keyOf(id));
    },
    async revokeByGrantId(grantId) {
      for (const [key, payload] of own()) if (payload.grantId === grantId) entries.delete(key);
    },
  };
}

function clientStore(findClient: (id: string) => AdapterPayload | undefined): Adapter {
  return { ...createStore('Client', new Map()), find: async (id) => findClient(id) };
}

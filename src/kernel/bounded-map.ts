/** A map that never holds more than so many entries: when it is full, what came first is forgotten. */
export interface BoundedMap<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  delete(key: K): void;
  readonly size: number;
}

export function createBoundedMap<K, V>(most: number): BoundedMap<K, V> {
  const entries = new Map<K, V>();
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(key),
    set: (key, value) => {
      if (entries.size >= most && !entries.has(key)) {
        const { value: first, done } = entries.keys().next();
        if (!done) entries.delete(first);
      }
      entries.set(key, value);
    },
    delete: (key) => void entries.delete(key),
  };
}

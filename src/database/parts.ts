/** Databases bound the parameters of a statement. */
const AT_ONCE = 500;

/** Does the work for some at a time, in their order; answers what came of all. */
export async function inParts<T, R>(
  all: readonly T[],
  work: (part: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const done: R[] = [];
  for (let start = 0; start < all.length; start += AT_ONCE) {
    done.push(...(await work(all.slice(start, start + AT_ONCE))));
  }
  return done;
}

import { below, type Problem } from '../../kernel/result.ts';
import { parseRules } from '../../policy/rule-reader.ts';
import type { PlacedLists } from '../rules/rules.ts';
import type { GroupEdge } from './store.ts';

/** How many groups may lie within each other, the outermost counted. */
export const MOST_NESTED = 10;

/** A group that a rule names, and where in the body. */
interface Inner {
  readonly id: string;
  readonly pointer: string;
}

/**
 * What is wrong with the groups that the rules of a group name: one that leads back to the group itself, over however
 * many others, and one that makes more than ten lie within each other. `edges` are those of all groups that there
 * are, which have no circle; `id` is null for a group that is not there yet.
 */
export function nestingProblems(
  edges: readonly GroupEdge[],
  { id, placed }: { id: string | null; placed: PlacedLists },
): Problem[] {
  const others = edges.filter(({ from }) => from !== id);
  const inner = depths(others, 'to');
  const above = id === null ? 0 : depths(others, 'from')(id) - 1;
  const reached = id === null ? new Set<string>() : holdersOf(others, id);
  return innerGroups(placed).flatMap((group): Problem[] => {
    const { pointer } = group;
    if (group.id === id) return [{ pointer, message: 'is the group itself' }];
    if (reached.has(group.id)) return [{ pointer, message: 'is a group that holds this one' }];
    if (above + 1 + inner(group.id) <= MOST_NESTED) return [];
    return [{ pointer, message: `would make more than ${MOST_NESTED} groups lie within each other` }];
  });
}

function innerGroups({ pointer, ...lists }: PlacedLists): Inner[] {
  return (['include', 'exclude', 'require'] as const).flatMap((list) => {
    const reading = parseRules(lists[list] ?? [], below(pointer, list));
    if (!reading.ok) throw new Error('rules that were not checked');
    return reading.value.flatMap((rule, index) =>
      'group' in rule
        ? [{ id: rule.group.id, pointer: `${below(below(pointer, list), index)}/group/id` }]
        : [],
    );
  });
}

/** All that hold the group, near and far. */
function holdersOf(edges: readonly GroupEdge[], id: string): ReadonlySet<string> {
  const next = neighbours(edges, 'from');
  const found = new Set<string>();
  const open = [id];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    for (const holder of next.get(one) ?? []) {
      if (found.has(holder)) continue;
      found.add(holder);
      open.push(holder);
    }
  }
  return found;
}

/** How many groups lie in a row from one on, itself counted, along the edges or against them. */
function depths(edges: readonly GroupEdge[], towards: 'from' | 'to'): (id: string) => number {
  const next = neighbours(edges, towards);
  const known = new Map<string, number>();
  const depth = (id: string): number => {
    const before = known.get(id);
    if (before !== undefined) return before;
    // There is no circle; were there one, it must not go on for ever.
    known.set(id, 0);
    const deepest = Math.max(0, ...(next.get(id) ?? []).map(depth));
    known.set(id, deepest + 1);
    return deepest + 1;
  };
  return depth;
}

function neighbours(edges: readonly GroupEdge[], towards: 'from' | 'to'): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  for (const edge of edges) {
    const at = towards === 'to' ? edge.from : edge.to;
    found.set(at, [...(found.get(at) ?? []), edge[towards]]);
  }
  return found;
}

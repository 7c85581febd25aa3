import type { Inhabited } from './tenants.ts';

/** A resource as a Terraform configuration has it: what is sent at first, and what it is changed to. */
export interface Resource {
  /** Below the account, or `/user/…`. */
  readonly collection: string;
  readonly first: (of: Inhabited) => Record<string, unknown>;
  readonly second: (of: Inhabited) => Record<string, unknown>;
  /** What its object is known by; `id` unless given. */
  readonly key?: string;
  /** Sent and never answered: secrets. */
  readonly secret?: readonly string[];
  /** Answered at creation alone. */
  readonly once?: readonly string[];
  /** Changes by itself or with every update. */
  readonly moves?: readonly string[];
  /** Answered in other words than it was sent; what is read back is compared with itself only. */
  readonly rewritten?: readonly string[];
  /** Of an object, and in no list. */
  readonly notListed?: readonly string[];
  readonly cannotUpdate?: true;
  /** In the list, and not by itself. */
  readonly cannotRead?: true;
  /** The status of what is gone; 404 unless given. Of accounts and zones nobody is told whether they exist. */
  readonly gone?: number;
}

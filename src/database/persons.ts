import { sql } from 'kysely';

/**
 * What an account sees of a person, in a statement over `members` and `administrators`: until they have accepted,
 * nothing but the e-mail as it was written there. What they are called elsewhere is not the account's to know.
 */
export const seenFirstName = sql<
  string | null
>`case when members.status = 'accepted' then administrators.first_name end`;
export const seenLastName = sql<
  string | null
>`case when members.status = 'accepted' then administrators.last_name end`;
export const seenEmail = sql<string>`case when members.status = 'accepted' then administrators.email
  else coalesce(members.invited_email, administrators.email_key) end`;

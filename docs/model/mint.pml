/*
 * The mint half of the removal protocol: a sign-in in three steps (state, session, token), each a transaction at READ
 * COMMITTED whose statements see what is committed when they run, beside one removal of the user, one act that has
 * nothing to do with them, pruning, and a gate that is behind. README.md says what is left out.
 *
 * Two sign-ins follow each other, so that one can begin after the removal. The removal returns when the gate has applied
 * it: that this holds with many nodes and gates is the other model, cluster.pml.
 * S1, S2 and S3 are invariants of the removal protocol. A seeded bug is one -D; -DONLY=n asserts one invariant alone.
 */

#define NEVER 9

#if !defined(ONLY) || ONLY == 1
#define S1(c) assert(c) /* invariant 1: after the removal returned nothing is admitted that it covers */
#else
#define S1(c) skip
#endif
#if !defined(ONLY) || ONLY == 2
#define S2(c) assert(c) /* invariant 2: newest revocation <= rev <= head, and rev >= floor, of whatever is accepted */
#else
#define S2(c) skip
#endif
#if !defined(ONLY) || ONLY == 3
#define S3(c) assert(c) /* invariant 3: a child's rev <= its parent's; no mint from a parent that is revoked */
#else
#define S3(c) skip
#endif

/* The database, as committed. */
byte head;                /* the position of the feed */
byte bottom;              /* its floor */
byte revokedAt = NEVER;   /* the newest revocation of the user, while it is kept */
bit userLives = 1;
bit reborn;               /* the user was made anew by a sign-in */
bit sessionLives;
byte sessionRev;
byte writers;             /* inserts under way that hold the user's row, FOR KEY SHARE */
bit locked;               /* the removal holds it, FOR UPDATE */

/* Ghosts: what really happened. */
byte removedAt = NEVER;
bit returned;

/* The gate: how far it has applied the feed, and what it knows by that. */
byte applied;
byte floorAtGate;
byte revokedAtGate = NEVER;

/* A revocation names the user, the e-mail and the identities, so it is one of a user who is made anew as well. */
#ifdef ONLY_THE_USER_IS_NAMED
#define NAMED (!reborn)
#else
#define NAMED true
#endif
#define REVOKED_AFTER(rev) (revokedAt != NEVER && revokedAt > (rev) && NAMED)

/* ---- the three steps */

byte rev;    /* of the newest child of this sign-in */
byte began;  /* the head when this sign-in really began */
byte token;
bit hasToken;

#ifdef NO_PARENT_CHECK
#define PARENT_STANDS(r) true
#else
#define PARENT_STANDS(r) ((r) >= bottom && (r) <= head && !REVOKED_AFTER(r))
#endif

/* What a child inherits of its parent's reading p, when it read the head first at h. */
#ifdef REREAD_REV
#define CHILD_REV(p, h) (h)
#else
#define CHILD_REV(p, h) (p)
#endif

/* A state has an e-mail and an identity, and no user yet. */
#ifdef ONLY_THE_USER_IS_NAMED
#define STATE_STANDS(r) true
#else
#define STATE_STANDS(r) PARENT_STANDS(r)
#endif

proctype Mint() {
  byte first;
  bit second;
again:
  skip;
  /* The state: the root of the lineage. Its rev is the first statement of its transaction. */
  d_step { first = head; began = head; printf("mint      state: reads the head first, %d\n", first) };
  d_step { rev = first; printf("mint      state: committed with rev %d\n", rev) };

  /* The session: the head first, then the state and its revocations, then the user's row (made anew if need be). */
  d_step { first = head; printf("mint      session: reads the head first, %d\n", first) };
  if
  :: d_step { STATE_STANDS(rev) -> printf("mint      session: its state of rev %d stands\n", rev) }
  :: d_step { !STATE_STANDS(rev) -> printf("mint      session: refused\n") }; goto over
  fi;
  d_step { !locked -> writers++;
    if
    :: !userLives -> userLives = 1; reborn = 1
    :: else
    fi;
    printf("mint      session: inserted\n") };
  d_step {
    S3(CHILD_REV(rev, first) <= rev);
    S3(!(removedAt != NEVER && removedAt > rev && removedAt <= first));
    sessionRev = CHILD_REV(rev, first); sessionLives = 1; writers--;
    printf("mint      session: committed with rev %d\n", sessionRev) };

  /* The token: the same of the session. It is signed, and not a row. */
  d_step { first = head; printf("mint      token: reads the head first, %d\n", first) };
  if
  :: d_step { sessionLives && userLives -> printf("mint      token: there is a session of rev %d\n", sessionRev) }
  :: d_step { !(sessionLives && userLives) -> printf("mint      token: no such session\n") }; goto over
  fi;
  if
  :: d_step { PARENT_STANDS(sessionRev) -> printf("mint      token: the session stands\n") }
  :: d_step { !PARENT_STANDS(sessionRev) -> printf("mint      token: refused\n") }; goto over
  fi;
#ifdef REV_LAST
  d_step { token = head; hasToken = 1; printf("mint      token: reads the head last, signed with rev %d\n", token) };
#else
  d_step {
    S3(CHILD_REV(sessionRev, first) <= sessionRev);
    S3(!(removedAt != NEVER && removedAt > sessionRev && removedAt <= first));
    token = CHILD_REV(sessionRev, first); hasToken = 1;
    printf("mint      token: signed with rev %d\n", token) };
#endif
over:
  skip;
  if
  :: d_step { !second -> second = 1; hasToken = 0; token = 0; sessionLives = 0; sessionRev = 0;
       printf("mint      another sign-in\n") };
     goto again
  :: d_step { second -> skip }
  fi
}

/* ---- the removal: the user's row, then what is seen of theirs, then the counter; or revoke_user, which keeps the user */

proctype Remover() {
  bit deletes;
  bit kept;
  if
  :: deletes = 1
  :: deletes = 0
  fi;
  atomic { writers == 0 -> locked = 1; printf("removal   locks the user's row\n") };
  d_step { kept = !sessionLives; printf("removal   sees %d session\n", sessionLives) };
  d_step {
    if
    :: !kept -> sessionLives = 0
    :: else
    fi;
    if
    :: deletes -> userLives = 0
    :: else
    fi;
    head++; revokedAt = head; removedAt = head; locked = 0;
    printf("removal   commits at %d\n", head)
  };
  d_step { applied >= removedAt -> returned = 1; printf("removal   returns\n") }
}

/* An act that has nothing to do with the user moves the head on. */
proctype Other() {
  d_step { head++; printf("other     commits at %d\n", head) }
}

/* Pruning drops the revocation and raises the floor to it. */
proctype Pruner() {
  d_step { revokedAt != NEVER && returned ->
#ifndef PRUNE_WITHOUT_FLOOR
    bottom = revokedAt;
#endif
    revokedAt = NEVER;
    printf("pruner    drops the revocation\n") }
}

/* ---- the gate: applies in order, and judges whatever is shown to it */

#define ACCEPTS (token >= floorAtGate && token <= applied && (revokedAtGate == NEVER || token >= revokedAtGate || !NAMED))

proctype Gate() {
  do
  :: d_step { applied < head ->
       applied++;
       if
       :: applied == removedAt -> revokedAtGate = applied
       :: else
       fi;
       printf("gate      applies %d\n", applied) }
  :: d_step { revokedAt == NEVER && revokedAtGate != NEVER && removedAt != NEVER ->
       floorAtGate = bottom; revokedAtGate = NEVER;
       printf("gate      prunes as well\n") }
  :: d_step { hasToken && ACCEPTS ->
       printf("gate      ADMITS a token of rev %d at %d, of a sign-in that began at %d\n", token, applied, began);
       S1(!(returned && began < removedAt));
       S2(token <= applied && token >= floorAtGate);
       S2(removedAt == NEVER || removedAt > applied || token >= removedAt) }
  od
}

init {
  atomic { run Mint(); run Remover(); run Other(); run Pruner(); run Gate() }
}

/*
 * The removal protocol among nodes and gates: one removal, two nodes, of which one starts again under a new id, and one
 * gate, which starts again as well and whose stream breaks once. README.md says what stands for what, and what is left
 * out.
 *
 * Nodes: 0 is the first process on machine A, 1 the process on machine B, 2 the second process on machine A.
 * Positions: 0 is before the removal, 1 is the removal. The one credential has `rev` 0: whoever has applied 1 refuses it.
 * Time: ticks. Whatever is a byte and is called a time counts down to 0.
 *
 * -DMACHINES=1, -DNODE_RESTART=0 and so on make the scope smaller. A seeded bug is one -D. -DONLY=n asserts one invariant
 * alone, so that a bug is shown to break that very one.
 */

#ifndef L
#define L 2      /* how long a lease is */
#endif
#ifndef MARGIN
#define MARGIN 1 /* how much longer others wait */
#endif
#define NODES 3
#define NONE 3

#ifndef MACHINES
#define MACHINES 2 /* 1: only machine A */
#endif
#ifndef NODE_RESTART
#define NODE_RESTART 1
#endif
#ifndef GATE_RESTART
#define GATE_RESTART 1
#endif
#ifndef PARTITION
#define PARTITION 1
#endif
#ifndef DRIFT
#define DRIFT 1 /* clocks stand still for a tick */
#endif
#ifndef EARLY_READING
#define EARLY_READING 1 /* the remover has read the lease rows before, for another removal */
#endif
#ifndef READ_THROUGH
#define READ_THROUGH 1
#endif

#if !defined(ONLY) || ONLY == 1
#define S1(c) assert(c) /* invariant 1: after the removal returned nothing is admitted and no byte flows */
#else
#define S1(c) skip
#endif
#if !defined(ONLY) || ONLY == 4
#define S4(c) assert(c) /* invariant 4: who decides knows what was committed, or the remover still waits for its row */
#else
#define S4(c) skip
#endif
#if !defined(ONLY) || ONLY == 5
#define S5(c) assert(c) /* invariant 5: no position goes back; an ack means applied, and nothing open */
#else
#define S5(c) skip
#endif
#if !defined(ONLY) || ONLY == 6
#define S6(c) assert(c) /* invariant 6: a gate's lease ends before its node's, and that before the remover's time */
#else
#define S6(c) skip
#endif

mtype = { ACK, SNAPSHOT, BATCH };
mtype = { BEFORE, COMMITTED, WAITING }; /* how far the removal is */

/* The database. */
bit committed;        /* the head of the feed */
bit row[NODES];       /* node_leases */
bit acked[NODES];     /* node_acks */

/* The remover. */
mtype removal = BEFORE;
bit readEarly = !EARLY_READING;
byte timer[NODES];    /* how long it still waits for each row */
bit seen[NODES];      /* it has read this row since the row was renewed */
bit returned;
#define PASSED(id) (removal == WAITING && timer[id] == 0)

/* Nodes: the memory of each process. */
bit up[NODES];        /* it has read the feed once */
bit applied[NODES];   /* the position it has applied */
byte lease[NODES];    /* what is left of its lease */
byte step[NODES];     /* of a renewal: 0 none, 1 row committed, 2 feed read, and the removal was not in it */
byte age[NODES];      /* the time since the row was committed */
bit gateAcked[NODES]; /* the gate has told it that it has applied the removal */
byte cap[NODES];      /* what a gate that has not may be granted at most */
byte given[NODES];    /* until when a grant to such a gate may live, margin included */
byte told[NODES];     /* the same for answers to read-through */
bit restarted;
bit draining;         /* node 0 was stopped cleanly and waits for what it gave */

/* The gate. */
bit known;            /* it has a snapshot */
bit has;              /* the position it has applied */
byte right;           /* what is left of its lease */
byte rightOf = NONE;  /* whose grant that is */
byte open;            /* the exchange: 0 none, 1 opened under the lease, 2 by a read-through answer */
byte through;         /* what is left of a read-through answer that allows */
byte throughOf = NONE;
bit gateRestarted = !GATE_RESTART;
bit parted = !PARTITION;

/*
 * The stream between the gate and the node to which it is attached; what is under way when it breaks is lost. Grants have a
 * way of their own, so that they may overtake the feed.
 */
byte attached = NONE;
chan toNode = [1] of { mtype };
chan toGate = [2] of { mtype, bit };
byte grant;           /* what is left of a grant that is under way */

bit slow = !DRIFT;    /* the one tick in which clocks may stand still has been */

#ifdef FORWARD_AFTER_AWAIT
bit verdict;
#endif
#ifdef ACK_BEFORE_APPLY
bit late;
#endif

#define LEAST(a, b) ((a) < (b) -> (a) : (b))
#define MOST(a, b) ((a) > (b) -> (a) : (b))
#define DOWN(x) x = ((x) > 0 -> (x) - 1 : 0)
#define UP(x) x = ((x) < L -> (x) + 1 : L)

/* ---- time: one tick for everybody; in one tick of the run, each machine's clock may stand still against the remover's */

inline tickNode(id) {
  DOWN(lease[id]);
  DOWN(cap[id]);
  DOWN(given[id]);
  DOWN(told[id]);
  if
  :: step[id] > 0 -> UP(age[id])
  :: else
  fi
}

inline tickGate() {
  DOWN(right);
  if
  :: right == 0 -> rightOf = NONE
  :: else
  fi;
#ifndef LEASE_FROM_ANSWER
  DOWN(grant);
#endif
  DOWN(through);
  if
  :: through == 0 -> throughOf = NONE
  :: else
  fi
}

inline endThrough() {
  through = 0;
  throughOf = NONE
}

/* S6, second half: when the remover's time for a row ends, nobody has a lease under it without knowing the removal. */
inline endOfRow(id) {
  if
  :: PASSED(id) ->
    S6(!(lease[id] > 0 && up[id] && !applied[id]));
    S6(!(right > 0 && rightOf == id && !has));
    S6(!(through > 0 && throughOf == id))
  :: else
  fi
}

/* The remover returns at once when there is nothing left to wait for. */
inline look() {
  if
  :: !returned && PASSED(0) && PASSED(1) && PASSED(2) -> returned = 1; printf("remover   returns\n")
  :: else
  fi
}

inline tick(stillA, stillB, stillGate) {
  d_step {
    DOWN(timer[0]); DOWN(timer[1]); DOWN(timer[2]);
    if
    :: stillA -> skip
    :: else -> tickNode(0); tickNode(2)
    fi;
    if
    :: stillB -> skip
    :: else -> tickNode(1)
    fi;
    if
    :: stillGate -> skip
    :: else -> tickGate()
    fi;
    if
    :: stillA || stillB || stillGate ->
      printf("time      a tick; clocks that stand still: A %d, B %d, gate %d\n", stillA, stillB, stillGate)
    :: else -> printf("time      a tick\n")
    fi;
    /* S6, first half: a gate's lease ends when its node's does, but for the difference of their clocks. */
    S6(right == 0 || right <= lease[rightOf] + MARGIN);
    endOfRow(0); endOfRow(1); endOfRow(2);
    look()
  }
}

inline slowTick(stillA, stillB, stillGate) {
  d_step { !slow && (committed || timer[0] > 0 || timer[1] > 0 || timer[2] > 0) -> slow = 1 };
  tick(stillA, stillB, stillGate)
}

proctype Time() {
  do
  :: tick(0, 0, 0)
  :: atomic { slowTick(1, 0, 0) }
  :: atomic { slowTick(0, 1, 0) }
  :: atomic { slowTick(0, 0, 1) }
  :: atomic { slowTick(1, 0, 1) }
  :: atomic { slowTick(0, 1, 1) }
  :: atomic { slowTick(1, 1, 0) }
  :: atomic { slowTick(1, 1, 1) }
  od
}

/* ---- the remover: commit, then read the lease rows, then wait for each */

#ifdef NO_MARGIN
#define PATIENCE L
#else
#define PATIENCE (L + MARGIN)
#endif

inline readRow(id) {
  if
  :: row[id] && !acked[id] ->
    if
    :: !seen[id] -> seen[id] = 1; timer[id] = PATIENCE
    :: else
    fi
  :: else -> timer[id] = 0
  fi
}

inline drop(id) {
  row[id] = 0;
  printf("remover   drops the row of node %d, whose time is up\n", id)
}

proctype Remover() {
  do
  /* Its process may have read the rows before, for another removal: the time of each pair (id, renewals) counts. */
  :: d_step { removal == BEFORE && !readEarly ->
      readEarly = 1; readRow(0); readRow(1); readRow(2);
      printf("remover   reads the lease rows for another removal\n") }
  /* It drops a row whose time is up: its node may still live, and write the row again. */
  :: d_step { removal != WAITING && seen[0] && row[0] && timer[0] == 0 -> drop(0) }
  :: d_step { removal != WAITING && seen[1] && row[1] && timer[1] == 0 -> drop(1) }
  :: d_step { removal != WAITING && seen[2] && row[2] && timer[2] == 0 -> drop(2) }
#ifdef ROWS_BEFORE_COMMIT
  :: d_step { removal == BEFORE ->
      removal = COMMITTED; readRow(0); readRow(1); readRow(2);
      printf("remover   reads the lease rows\n") }
  :: d_step { removal == COMMITTED ->
      removal = WAITING; committed = 1;
      printf("remover   commits\n"); look() }
#else
  :: d_step { removal == BEFORE ->
      removal = COMMITTED; committed = 1;
      printf("remover   commits\n") }
  :: d_step { removal == COMMITTED ->
      removal = WAITING; readRow(0); readRow(1); readRow(2);
      seen[0] = 0; seen[1] = 0; seen[2] = 0;
      printf("remover   reads the lease rows; there is one of node 0: %d, 1: %d, 2: %d\n", row[0], row[1], row[2]); look() }
#endif
  od
}

/* ---- a node */

/* The cap is the end of the lease that the node has now, not of one that it is about to have. */
inline learn(me) {
  applied[me] = 1;
  if
  :: attached == me && !gateAcked[me] -> cap[me] = lease[me]; toGate!BATCH(1)
  :: else
  fi
}

inline breakStream() {
  if
  :: attached != NONE -> cap[attached] = 0; attached = NONE
  :: else
  fi;
  grant = 0;
  do
  :: nempty(toNode) -> toNode?_
  :: empty(toNode) && nempty(toGate) -> toGate?_,_
  :: empty(toNode) && empty(toGate) -> break
  od
}

/* A row that is renewed is another pair (id, renewals): a reading from before counts for nothing. */
#ifdef PAIR_BY_ID
#define SAME_PAIR(id) true
#else
#ifdef RENEWALS_START_ANEW
#define SAME_PAIR(id) (!row[id] && seen[id])
#else
#define SAME_PAIR(id) false
#endif
#endif

inline renewRow(id) {
  if
  :: SAME_PAIR(id)
  :: else ->
    seen[id] = 0;
    if
    :: removal == BEFORE || removal == COMMITTED -> timer[id] = 0
    :: else
    fi
  fi;
  row[id] = 1
}

inline forget(id) {
  up[id] = 0;
  applied[id] = 0;
  step[id] = 0;
  age[id] = 0;
  cap[id] = 0;
  gateAcked[id] = 0;
  if
  :: attached == id -> breakStream()
  :: else
  fi
}

/* Of whoever has applied the removal, the lease is of no interest any more: nothing is admitted. */
#ifdef OLD_SNAPSHOT
#define MATTERS true
inline forgetLease() { skip }
#else
#define MATTERS (!has)
inline forgetLease() {
  right = 0;
  rightOf = NONE;
  grant = 0
}
#endif

/* What a node may grant: to a gate that has all that the node has, its own lease; to another, at most the cap. */
#ifdef GRANT_BEYOND_NODE
#define MAY_GRANT(me) L
#else
#ifdef NO_CAP
#define MAY_GRANT(me) (lease[me])
#else
#define MAY_GRANT(me) ((!applied[me] || gateAcked[me]) -> lease[me] : LEAST(lease[me], cap[me]))
#endif
#endif

#ifdef NODE_ACK_IGNORES_GATE
#define GATE_SETTLED(me) true
#else
#define GATE_SETTLED(me) (gateAcked[me] || given[me] == 0)
#endif
#ifdef NODE_ACK_IGNORES_READ_THROUGH
#define ANSWERS_SETTLED(me) true
#else
#define ANSWERS_SETTLED(me) (told[me] == 0)
#endif

proctype Node(byte me) {
  do
  /* The lease: the clock is read, the row is committed, the feed is read to the head, and only then is it live. */
  :: d_step { step[me] == 0 && !applied[me] ->
      step[me] = 1; renewRow(me);
#ifdef LEASE_BEFORE_CATCH_UP
      up[me] = 1; lease[me] = L;
#endif
      printf("node %d    commits its lease row\n", me) }
  :: d_step { step[me] == 1 && !committed -> step[me] = 2 }
  :: d_step { step[me] > 0 && (step[me] == 2 || committed) ->
#ifdef CAP_OF_NEW_LEASE
      lease[me] = L - age[me];
#endif
      if
      :: step[me] == 1 && !applied[me] -> learn(me)
      :: else
      fi;
      up[me] = 1; lease[me] = L - age[me]; step[me] = 0; age[me] = 0;
      printf("node %d    has read the feed: at %d, with a lease of %d\n", me, applied[me], lease[me]) }
#ifdef ROW_AFTER_USE
  :: d_step { step[me] == 0 && !row[me] && lease[me] == 0 ->
      if
      :: committed && !applied[me] -> learn(me)
      :: else
      fi;
      up[me] = 1; lease[me] = L;
      printf("node %d    has read the feed: at %d, and decides before its row\n", me, applied[me]) }
#endif

  /* Once it has applied the removal, its lease matters only to a gate that has not: these steps are one. */
  :: d_step { applied[me] && attached == me && !gateAcked[me] && lease[me] < L ->
      lease[me] = L; step[me] = 0; age[me] = 0; renewRow(me);
      printf("node %d    renews its lease\n", me) }

  /* The feed between renewals. */
  :: d_step { up[me] && committed && !applied[me] ->
      learn(me);
      printf("node %d    applies the removal; a gate without it gets at most %d more\n", me, cap[me]) }

  /* What a node decides itself: sign-in, API. */
  :: d_step { up[me] && lease[me] > 0 && !applied[me] ->
      printf("node %d    ADMITS\n", me);
      S1(!returned);
      S4(!PASSED(me)) }

  /* Its ack, for itself and for whoever decides under its lease. */
  :: d_step { up[me] && applied[me] && !acked[me] && GATE_SETTLED(me) && ANSWERS_SETTLED(me) ->
      printf("node %d    acks the removal\n", me);
      S5(!(right > 0 && rightOf == me && !has));
      S5(!(through > 0 && throughOf == me));
      acked[me] = 1; timer[me] = 0; given[me] = 0; told[me] = 0;
#ifndef CAP_OUTLIVES_ACK
      cap[me] = 0;
#endif
      look() }

  /* RENEW and GRANT, on the stream of a gate. */
  :: d_step { attached == me && known && MATTERS && grant == 0 && lease[me] > 0 && MAY_GRANT(me) > 0 ->
      grant = MAY_GRANT(me);
      if
      :: !gateAcked[me] && !acked[me] -> given[me] = MOST(given[me], grant + MARGIN)
      :: else
      fi;
      printf("node %d    grants the gate %d\n", me, grant) }
  :: d_step { attached == me && toNode?[ACK] ->
      toNode?ACK; gateAcked[me] = 1; cap[me] = 0; given[me] = 0;
      printf("node %d    has the gate's ack\n", me) }

  /* Read-through: a lease for one request, under the node's own. The gate may have asked long ago. */
  :: d_step { READ_THROUGH && !through && up[me] && lease[me] > 0 && !applied[me] ->
      through = lease[me]; throughOf = me;
      told[me] = MOST(told[me], through + MARGIN);
      printf("node %d    allows one request by read-through, for %d\n", me, through) }

  /* Machine A: the process dies, or is stopped, and another starts under a new id. */
  :: d_step { NODE_RESTART && me == 0 && !restarted ->
      restarted = 1; forget(0); given[0] = 0; told[0] = 0;
#ifdef SAME_ID
      lease[0] = 0;
      printf("node 0    dies and starts again under the same id\n") }
#else
      me = 2;
      printf("node 0    dies; node 2 starts in its place\n") }
  :: d_step { NODE_RESTART && me == 0 && !restarted ->
      restarted = 1; draining = 1; forget(0); me = 2;
      printf("node 0    is stopped; node 2 starts in its place\n") }
#endif
  od
}

/* A node that is stopped deletes its row when nothing that it gave can still be alive. */
proctype Leaving() {
  d_step { draining && given[0] == 0 && told[0] == 0 ->
    draining = 0; row[0] = 0; timer[0] = 0;
    printf("node 0    deletes its lease row\n"); look() }
}

/* ---- the gate */

/* Applied whole: the index, and in the same turn whatever is open is cut; only then the ack. */
inline apply(v) {
  if
#ifdef OLD_SNAPSHOT
  :: true ->
#else
  :: v >= has ->
#endif
    S5(v >= has);
    known = 1;
    if
    :: v && !has -> open = 0; forgetLease()
    :: else
    fi;
    has = v;
    printf("gate      has applied %d\n", has)
#ifndef OLD_SNAPSHOT
  :: else -> printf("gate      does not take an older snapshot\n")
#endif
  fi
}

inline ackIt(v) {
  if
  :: v -> S5(has && !open); toNode!ACK
  :: else
  fi
}

/* Every admission and every byte comes through here. */
inline flows(id) {
  S1(!returned);
  S4(!PASSED(id))
}

/*
 * ATTACH, and what the node does when it reads it, in one step: between the two the gate gets nothing from anybody. A gate
 * that attaches behind the node gets no grant before it has acked.
 */
inline attachTo(id) {
  attached = id;
  gateAcked[id] = has;
#ifdef GRANT_BEFORE_GATE_CATCHES_UP
  cap[id] = L;
#endif
  if
  :: !known || applied[id] != has -> toGate!SNAPSHOT(applied[id])
  :: else
  fi;
  printf("gate      attaches, itself at %d, to node %d at %d\n", has, id, applied[id])
}

#ifdef READ_THROUGH_OPENS_UPGRADE
#define MAY_FLOW (open == 2 || right > 0)
#else
#ifdef FLOWS_WITHOUT_LEASE
#define MAY_FLOW true
#else
#define MAY_FLOW ((open == 1 && right > 0) || (open == 2 && through > 0))
#endif
#endif

proctype Gate() {
  byte d;
  do
  :: d_step { attached == NONE && up[0] -> attachTo(0) }
  :: d_step { attached == NONE && up[1] -> attachTo(1) }
  :: d_step { attached == NONE && up[2] -> attachTo(2) }
#ifdef ACK_BEFORE_APPLY
  :: d_step { toGate?[SNAPSHOT] || toGate?[BATCH] ->
      toGate?_,d;
      if
      :: d -> late = 1; toNode!ACK; printf("gate      acks\n")
      :: else -> apply(d)
      fi; d = 0 }
  :: d_step { late -> late = 0; apply(1) }
#else
  :: d_step { toGate?[SNAPSHOT] || toGate?[BATCH] ->
      toGate?_,d; apply(d); ackIt(d); d = 0 }
#endif
  /* The lease counts from before it was asked for. */
  :: d_step { grant > 0 ->
      right = grant; rightOf = attached; grant = 0;
      printf("gate      has a lease of %d\n", right) }

  /* An exchange: verdict, entry and first byte in one turn; each later byte asks again for the lease. */
#ifdef FORWARD_AFTER_AWAIT
  :: d_step { known && right > 0 && !has && !verdict -> verdict = 1; printf("gate      judges: allow\n") }
  :: d_step { verdict -> verdict = 0; printf("gate      forwards after a while\n"); S1(!returned) }
#else
  :: d_step { known && right > 0 && !has && !open ->
      open = 1; printf("gate      ADMITS and opens an exchange\n"); flows(rightOf) }
#endif
  :: d_step { open && MAY_FLOW ->
      printf("gate      lets a chunk pass\n");
      if
      :: open == 1 && right > 0 -> flows(rightOf)
      :: open == 2 && through > 0 -> flows(throughOf)
      :: else -> S1(!returned)
      fi }
  :: d_step { open -> open = 0; printf("gate      the exchange ends\n") }

  /* Read-through, for one request at a time. The answer may have passed an entry that the gate has applied since. */
  :: d_step { through > 0 && open == 0 ->
      open = 2; printf("gate      ADMITS by the answer\n"); flows(throughOf) }

  /* A partition: the stream breaks. A restart: everything is forgotten, every socket closed. */
  :: d_step { attached != NONE && !parted ->
      parted = 1; breakStream(); printf("gate      the stream breaks\n") }
  :: d_step { !gateRestarted ->
      gateRestarted = 1; breakStream(); known = 0; has = 0; right = 0; rightOf = NONE;
      open = 0; endThrough();
      printf("gate      dies and starts again\n") }
  od
}

init {
  atomic { run Time(); run Remover(); run Node(0); if :: MACHINES == 2 -> run Node(1) :: else fi; run Leaving(); run Gate() }
}

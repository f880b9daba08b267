/* A worker that is woken comes first on the core where it ran last, by its affinity from when it is woken until it runs.

   Linux itself would put it there, if that core is idle. But in a virtual machine a core that the host took back while it was
   idle does not count as idle (vcpu_is_preempted), and the worker is put on the core of the thread that wakes it: there it
   waits until the scheduler finds out that another one has nothing to do, up to 4 ms later. Measured on two
   virtual cores of KVM, a call every 10 ms: 190 of 200 woken threads came on the caller's core. Awake, a worker may run wherever it was
   allowed to before.

   A worker that another process keeps off its core would hold up who waits for what it is making, for a time slice, 4 ms
   on many a machine. The caller brings it to its own core, where it has nothing to do meanwhile.

   An affinity is changed of workers alone, for moments, and put back unless somebody else has set it meanwhile. Whether
   somebody has who wants the same core cannot be seen by the worker's own; but who pins a process pins all of its threads,
   and the first one's, which the kernel lists first, is never changed here. */
#ifdef __linux__
#define _GNU_SOURCE
#include "placement.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Who changes where a worker may be: nobody; the worker itself, or who wakes it, until it rises; or the caller, and then
   has done so. */
enum { FREE, OWN, FETCHING, FETCHED };

struct cs_place {
    pid_t thread;
    int state;
    int last;           /* the core where it ran, before it slept */
    int home;           /* the core where it has to be, -1 for none */
    cpu_set_t before;   /* where it might be, before; and the process's first thread */
    cpu_set_t first;
};
static cs_place places[256];

static void ask_for_short_slices(void) {
#ifdef SYS_sched_setattr
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } as = {.size = 48};
    if (syscall(SYS_sched_getattr, 0, &as, sizeof as, 0) || as.policy != SCHED_OTHER) return;
    as.size = 48;
    as.flags = 0;
    as.runtime = 100000; /* the least that there is, in nanoseconds */
    syscall(SYS_sched_setattr, 0, &as, 0);
#endif
}

cs_place *cs_place_of(int worker) {
    places[worker] = (cs_place){.thread = (pid_t)syscall(SYS_gettid), .home = -1};
    ask_for_short_slices();
    return &places[worker];
}

int cs_core(void) { return sched_getcpu(); }

int cs_processors(void) {
    cpu_set_t allowed;
    return (int)(sched_getaffinity(0, sizeof allowed, &allowed) ? sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&allowed));
}

/* The next core after `core` that it may be on. */
static int next_core(const cpu_set_t *allowed, int core) {
    for (int i = 1; i <= CPU_SETSIZE; i++)
        if (CPU_ISSET((core + i) % CPU_SETSIZE, allowed)) return (core + i) % CPU_SETSIZE;
    return core;
}

static int only(const cpu_set_t *set, int core) { return CPU_COUNT(set) == 1 && CPU_ISSET(core, set); }
static int get(pid_t thread, cpu_set_t *set) { return !sched_getaffinity(thread, sizeof *set, set); }

/* Remembers where a worker may be now; 0 if it has no choice. */
static int remember(cs_place *p) {
    p->home = -1;
    return get(getpid(), &p->first) && get(p->thread, &p->before) && CPU_COUNT(&p->before) > 1;
}

/* Whether what was remembered still counts: nobody else has told the worker where it may be. */
static int still_home(const cs_place *p) {
    cpu_set_t now;
    return p->home >= 0 && get(p->thread, &now) && only(&now, p->home);
}

/* Puts back what was remembered, of that only where the first thread may be if somebody has changed that, even just now. */
static void let_go(cs_place *p) {
    cpu_set_t first, both;
    for (int again = still_home(p); again && get(getpid(), &first); again = !CPU_EQUAL(&first, &p->first)) {
        if (!CPU_EQUAL(&first, &p->first)) {
            CPU_AND(&both, &p->before, &first);
            if (CPU_COUNT(&both)) p->before = both;
            p->first = first;
        }
        sched_setaffinity(p->thread, sizeof p->before, &p->before);
        if (!get(getpid(), &first)) break;
    }
    p->home = -1;
}

/* Not where the first thread has to be: it could not be told whether somebody has sent the worker there too. Where
   somebody has sent it since it was remembered, that counts at once. */
static void stay(cs_place *p, int core) {
    cpu_set_t one, first;
    if (only(&p->first, core)) return;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    p->home = sched_setaffinity(p->thread, sizeof one, &one) ? -1 : core;
    if (get(getpid(), &first) && !CPU_EQUAL(&first, &p->first)) let_go(p);
}

/* Once nobody else changes it. Returns whether there is a choice, from what is remembered. */
static int take_place(cs_place *p) {
    int state = FREE;
    while (!__atomic_compare_exchange_n(&p->state, &state, OWN, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        if (state != FETCHED) sched_yield(), state = FREE;
    return state == FETCHED && still_home(p) ? 1 : remember(p);
}

void cs_rest(cs_place *p) { p->last = sched_getcpu(); }

void cs_prepare(cs_place *p, int mine, int other) {
    int core = p->last;
    if (!take_place(p) || core < 0 || core >= CPU_SETSIZE) return;
    if (core == mine || !CPU_ISSET(core, &p->before)) {
        int free = other >= 0 && other < CPU_SETSIZE && other != mine && CPU_ISSET(other, &p->before);
        core = free ? other : next_core(&p->before, core);
    }
    stay(p, core);
}

void cs_rise(cs_place *p) {
    if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) != OWN) return;
    let_go(p);
    __atomic_store_n(&p->state, FREE, __ATOMIC_RELEASE);
}

void cs_keep(cs_place *p, int avoided) {
    int core = sched_getcpu();
    if (take_place(p) && core >= 0 && core < CPU_SETSIZE) stay(p, core == avoided ? next_core(&p->before, core) : core);
}

int64_t cs_time_run(const cs_place *p) {
    struct timespec t; /* of the thread's clock, as pthread_getcpuclockid names it */
    if (clock_gettime((clockid_t)((~(unsigned)p->thread << 3) | 6), &t)) return -1;
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int cs_fetch(cs_place *p, int core) {
    int state = FREE, fetched = 0;
    if (core < 0 || core >= CPU_SETSIZE) return 0;
    if (!__atomic_compare_exchange_n(&p->state, &state, FETCHING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return 0;
    if (remember(p) && CPU_ISSET(core, &p->before)) stay(p, core);
    fetched = p->home >= 0;
    __atomic_store_n(&p->state, fetched ? FETCHED : FREE, __ATOMIC_RELEASE);
    return fetched;
}

int cs_is_guest(const cs_place *p) { return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) == FETCHED; }

void cs_nap(long nanoseconds) {
    int slack = prctl(PR_GET_TIMERSLACK); /* 50 us, as a rule */
    prctl(PR_SET_TIMERSLACK, 1);
    nanosleep(&(struct timespec){0, nanoseconds}, 0);
    prctl(PR_SET_TIMERSLACK, slack);
}

#else
#include "placement.h"
#include <time.h>
#include <unistd.h>
int cs_core(void) { return -1; }
int cs_processors(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }
cs_place *cs_place_of(int worker) { return (void)worker, (cs_place *)0; }
void cs_rest(cs_place *p) { (void)p; }
void cs_prepare(cs_place *p, int mine, int other) { (void)p, (void)mine, (void)other; }
void cs_rise(cs_place *p) { (void)p; }
void cs_keep(cs_place *p, int avoided) { (void)p, (void)avoided; }
int64_t cs_time_run(const cs_place *p) { return (void)p, -1; }
int cs_fetch(cs_place *p, int core) { return (void)p, (void)core, 0; }
int cs_is_guest(const cs_place *p) { return (void)p, 0; }
void cs_nap(long nanoseconds) { nanosleep(&(struct timespec){0, nanoseconds}, 0); }
#endif

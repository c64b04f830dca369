#include "loop.h"

#include "sys.h"

static double seconds(sp_time t)
{
    return (double)t / (double)SP_SECOND;
}

/* Takes what waits at the socket, up to a bound: the core must get to its timers and the store too. */
static void receive(struct sp_loop *l, sp_time now)
{
    for (int i = 0; i < SP_LOOP_IN_MAX; i++) {
        struct sp_datagram *in = NULL;
        size_t n = sp_udp_receive(l->udp, &in);
        if (n > 0)
            sp_gateway_receive(l->gateway, in, n, now);
        if (n < SP_UDP_BATCH)
            return;
    }
}

static void tell_before_send(struct sp_loop *l)
{
    if (l->before_send != NULL)
        l->before_send(l->self);
}

/* Sends until the core has nothing more.  False: it may have more. */
static bool transmit(struct sp_loop *l, sp_time now)
{
    for (int i = 0; i < SP_LOOP_OUT_MAX && !l->is_blocked; i++) {
        size_t n = sp_gateway_transmit(l->gateway, sp_udp_buffers(l->udp), SP_UDP_BATCH, now);
        if (n == 0)
            return true;
        tell_before_send(l);
        if (!sp_udp_send(l->udp, n)) {
            l->is_blocked = true;
            ev_io_start(l->ev, &l->writable);
        }
    }
    return false;
}

/* Sets the timer to the earlier of the core's and the store's wish.  While the socket is blocked the core's
 * wish is likely to be "now", and only the socket can grant it. */
static void arm(struct sp_loop *l, sp_time now, bool all_sent)
{
    sp_time at = sp_store_deadline(l->port);
    sp_time wish = all_sent ? sp_gateway_deadline(l->gateway) : now;
    if (!l->is_blocked && wish < at)
        at = wish;
    if (l->is_draining && l->drain_end < at)
        at = l->drain_end;
    ev_timer_stop(l->ev, &l->deadline);
    if (at == SP_NEVER)
        return;
    ev_timer_set(&l->deadline, at > now ? seconds(at - now) : 0., 0.);
    ev_timer_start(l->ev, &l->deadline);
}

static void turn(struct sp_loop *l)
{
    sp_time now = sp_sys_now();
    bool all_sent = false;
    receive(l, now);
    sp_gateway_step(l->gateway, now);
    all_sent = transmit(l, now);
    tell_before_send(l);
    l->turns++;
    if (sp_sys_now() - now > SP_LOOP_STALL)
        l->stalls++;
    if (l->is_draining && ((all_sent && sp_gateway_is_drained(l->gateway)) || now >= l->drain_end))
        ev_break(l->ev, EVBREAK_ALL);
    arm(l, now, all_sent);
}

/* Everything that can happen sets is_due; the turn comes when all of it has been noted, so that one turn and
 * one store batch serve all. */
static void on_before_sleep(struct ev_loop *ev, ev_prepare *w, int events)
{
    struct sp_loop *l = w->data;
    (void)ev;
    (void)events;
    if (!l->is_due)
        return;
    l->is_due = false;
    turn(l);
}

static void on_io(struct ev_loop *ev, ev_io *w, int events)
{
    struct sp_loop *l = w->data;
    (void)ev;
    (void)events;
    l->is_due = true;
}

static void on_writable(struct ev_loop *ev, ev_io *w, int events)
{
    struct sp_loop *l = w->data;
    (void)events;
    ev_io_stop(ev, w);
    l->is_blocked = false;
    l->is_due = true;
}

static void on_deadline(struct ev_loop *ev, ev_timer *w, int events)
{
    struct sp_loop *l = w->data;
    (void)ev;
    (void)events;
    l->is_due = true;
}

static void on_tick(struct ev_loop *ev, ev_timer *w, int events)
{
    struct sp_loop *l = w->data;
    sp_time now = sp_sys_now();
    (void)ev;
    (void)events;
    sp_gateway_wall(l->gateway, sp_sys_unix_us(), now);
    l->tick(l->self, now);
    l->is_due = true;
}

static void prepare_watchers(struct sp_loop *l)
{
    ev_io_init(&l->readable, on_io, sp_udp_fd(l->udp), EV_READ);
    ev_io_init(&l->writable, on_writable, sp_udp_fd(l->udp), EV_WRITE);
    ev_io_init(&l->stored, on_io, sp_store_wake_fd(l->port), EV_READ);
    ev_init(&l->deadline, on_deadline);
    ev_timer_init(&l->ticking, on_tick, seconds(SP_LOOP_TICK), seconds(SP_LOOP_TICK));
    ev_prepare_init(&l->before_sleep, on_before_sleep);
}

void sp_loop_start(struct sp_loop *l)
{
    prepare_watchers(l);
    l->readable.data = l->writable.data = l->stored.data = l;
    l->deadline.data = l->ticking.data = l->before_sleep.data = l;
    ev_io_start(l->ev, &l->readable);
    if (l->stored.fd >= 0)
        ev_io_start(l->ev, &l->stored);
    ev_timer_start(l->ev, &l->ticking);
    ev_prepare_start(l->ev, &l->before_sleep);
    l->is_due = true;
}

void sp_loop_stop(struct sp_loop *l)
{
    ev_io_stop(l->ev, &l->readable);
    ev_io_stop(l->ev, &l->writable);
    ev_io_stop(l->ev, &l->stored);
    ev_timer_stop(l->ev, &l->deadline);
    ev_timer_stop(l->ev, &l->ticking);
    ev_prepare_stop(l->ev, &l->before_sleep);
}

void sp_loop_run(struct sp_loop *l)
{
    (void)ev_run(l->ev, 0);
}

void sp_loop_drain(struct sp_loop *l, unsigned drain_s)
{
    sp_time now = sp_sys_now();
    l->is_draining = true;
    l->drain_end = now + (sp_time)drain_s * SP_SECOND;
    sp_gateway_drain(l->gateway, drain_s, now);
    l->is_due = true;
}

/*
 * server_move.c - which loop a session goes to: from a door to one of those that serve, aside, and
 * back.
 */
#include "session/server_int.h"

/* One of the loops; in turns, which go on from here to there. */
static struct loop *
next_loop(struct server *srv)
{
	return srv->options.loops[atomic_fetch_add(&srv->next_home, 1) % srv->options.loop_count];
}

bool
server_takes_in(struct server *srv, struct session_core *k)
{
	size_t i = (size_t)(server_home(srv, k->loop) - srv->homes);

	if (i < srv->options.loop_count || i >= srv->options.loop_count + srv->options.door_count)
		return false;
	list_remove(&k->in_server);
	session_move(&k->s, next_loop(srv));
	return true;
}

static bool
has_account(const struct aside *a, uint64_t account)
{
	list_each(&a->sessions, w, struct who, in_aside) if (w->account == account) return true;
	return false;
}

struct loop *
server_goes_aside(struct server *srv, struct session_core *k)
{
	const size_t count = srv->options.aside_count;
	struct who *w = k->server_data;
	size_t best = 0;

	list_remove(&k->in_server);
	pthread_mutex_lock(&srv->lock);
	w->account = account_id(k->s.account).v;
	for (size_t i = 0; i < count; i++) {
		if (has_account(&srv->asides[i], w->account)) {
			best = i;
			break;
		}
		if (srv->asides[i].count < srv->asides[best].count)
			best = i;
	}
	w->aside = &srv->asides[best];
	list_add_tail(&w->aside->sessions, &w->in_aside);
	w->aside->count++;
	pthread_mutex_unlock(&srv->lock);
	return srv->options.asides[best];
}

struct loop *
server_returns(struct server *srv, struct session_core *k)
{
	list_remove(&k->in_server);
	pthread_mutex_lock(&srv->lock);
	server_leave_aside(k->server_data);
	pthread_mutex_unlock(&srv->lock);
	return next_loop(srv);
}

/*
 * mail_main.c - the mail process: one store, a loop a core, and the servers of all protocols on
 * them.
 *
 * The main thread runs the first loop, which also hears the supervisor. Ending: the servers say BYE
 * and end their sessions, then the loops stop, then the store closes, which waits for what is on
 * its way to the disk.
 */
#include "auth/client_home.h"
#include "base/log.h"
#include "base/sanitized.h"
#include "base/thread.h"
#include "daemon/admin.h"
#include "daemon/control.h"
#include "daemon/patrol.h"
#include "daemon/roles.h"
#include "imap/search.h"
#include "io/jobs.h"
#include "io/sign_client.h"
#include "io/tls.h"
#include "io/tls_memory.h"
#include "kv/kv.h"
#include "lmtp/server.h"
#include "proc/child.h"
#include "session/server.h"
#include "store/store.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	GRACE_MS = 3000,
	TICK_MS = 60000,
	HEALTH_MS = 1500, /* longer than the engine remembers how much room there was */
	/*
	 * Blocks of this size go back to the system when they are freed. glibc raises the limit by
	 * itself once a message's chunk (256 KiB) was freed, and then holds some 15 MB for good.
	 */
	MALLOC_GIVE_BACK_BYTES = 128 * 1024,
	/*
	 * The end of a heap goes back when it is that large: with less, the batches of a long FETCH
	 * were taken from the system and given back again and again, which was a third of the loop's
	 * time.
	 */
	MALLOC_KEEP_BYTES = 1024 * 1024,
	DESCRIPTORS_EXPECTED = 32768, /* at most; for more the table grows when they come */
	/* With less the engine would go to the disk for every block of an index. */
	CACHE_LEAST = 4 << 20,
	/* When nothing is configured. */
	CACHE_DEFAULT_LEAST = 64 << 20,
	CACHE_DEFAULT_MOST = 1 << 30,
	/* Of the size of the cache, beside it: what is known of searched texts. */
	TRIGRAMS_PART = 4,
};

struct mail {
	struct child child;
	/* loop_count of them, then the doors, then as many aside */
	struct loop *loops[2 * CONFIG_LOOPS_MAX];
	pthread_t threads[2 * CONFIG_LOOPS_MAX]; /* of all loops but the first */
	size_t loop_count, door_count, all_count, thread_count;
	struct kv *kv;
	struct store *store;
	struct patrol *patrol;
	struct jobs *jobs, *searches, *prompt_searches;
	struct job tick;
	bool is_ticking;
	struct loop_timer tick_timer, health_timer;
	bool is_failed; /* the store writes no more */
	bool is_stopping;
	struct auth_client *auth;
	struct sign_client *signer; /* has the keys of tls */
	struct tls *tls;
	struct server *imap;
	struct lmtp_server *lmtp;
	struct control *control;
	struct admin *admin;
	unsigned ending; /* servers that still have sessions */
	char hostname[256];
};

static void
random_bytes(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, MIN(n, (size_t)256), 0);

		must(got > 0);
		at += got;
		n -= (size_t)got;
	}
}

/* --- The store --- */

/* What is configured, or a part of the machine's memory. */
static size_t
cache_bytes(const struct config *c)
{
	const uint64_t page = (uint64_t)MAX(sysconf(_SC_PAGESIZE), 1),
		       pages = (uint64_t)MAX(sysconf(_SC_PHYS_PAGES), 0);

	if (c->cache_size != 0)
		return (size_t)MAX(c->cache_size, (uint64_t)CACHE_LEAST);
	return (size_t)MIN(MAX(page * pages / 32, (uint64_t)CACHE_DEFAULT_LEAST),
	    (uint64_t)CACHE_DEFAULT_MOST);
}

static enum err
store_start(struct mail *m)
{
	const struct config *c = m->child.config;
	BUF_CLEAN struct buf detail = BUF_MAX(1024);
	struct kv_options ko = { .dir = ".",
		.cache_bytes = cache_bytes(c),
		.no_sync = c->durability == DURABILITY_RELAXED };
	struct store_options so = { .clock = clock_system(),
		.random = random_bytes,
		.trigrams_bytes = cache_bytes(c) / TRIGRAMS_PART,
		.message_max_bytes = c->message_size_max,
		.retention_s = (uint32_t)(c->retention / 1000),
		.retained_max_bytes = c->retention_size,
		.quota = { (c->quota_storage + 1023) / 1024, c->quota_messages, c->quota_mailboxes,
		    (c->quota_annotations + 1023) / 1024 } };
	enum err e;

	store_merge_functions(&ko);
	e = kv_rocks_open(&ko, &m->kv, &detail);
	if (e == ERR_OK && detail.n > 0)
		log_event(LOG_ERROR, "store-damaged", F_STR("detail", buf_str(&detail)),
		    F_C("hint",
			"what is damaged is refused; stop the server and run posthorn verify"));
	if (e == ERR_OK) {
		so.kv = m->kv;
		e = store_open(&so, &m->store);
	}
	if (e != ERR_OK)
		log_event(LOG_ERROR, "store", F_ERR(e), F_STR("detail", buf_str(&detail)));
	return e;
}

static void
tick_run(struct job *j)
{
	store_tick(container_of(j, struct mail, tick)->store);
}

static void
tick_done(struct job *j)
{
	struct mail *m = container_of(j, struct mail, tick);
	int64_t jump_ms = store_clock_jump(m->store);

	m->is_ticking = false;
	if (jump_ms != 0)
		log_event(LOG_WARNING, "clock-jumped", F_I64("seconds", jump_ms / 1000),
		    F_C("detail", "what was expunged is kept for another retention period"));
}

static void
on_tick(struct loop_timer *t)
{
	struct mail *m = container_of(t, struct mail, tick_timer);

	if (!m->is_ticking && jobs_submit(m->jobs, &m->tick, m->loops[0]) == ERR_OK)
		m->is_ticking = true;
	loop_timer_set(m->loops[0], t, TICK_MS);
}

/* --- TLS --- */

static void
certs_of(const struct child_tls *t, struct tls_cert out[MESSAGE_CERTS_MAX])
{
	for (size_t i = 0; i < t->count; i++)
		out[i] = (struct tls_cert){ .cert_pem = t->certs[i].cert };
}

static enum err
tls_start(struct mail *m)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct tls_cert certs[MESSAGE_CERTS_MAX];
	struct tls_config tc = { .certs = certs,
		.cert_count = m->child.tls.count,
		.client_ca_pem = m->child.tls.client_ca,
		.signer = m->signer };
	enum err e;

	certs_of(&m->child.tls, certs);
	e = tls_open(&tc, clock_system(), &why, &m->tls);
	child_forget_tls(&m->child);
	if (e != ERR_OK)
		log_event(LOG_ERROR, "tls", F_ERR(e), F_STR("detail", buf_str(&why)));
	return e;
}

/* --- Servers --- */

static void
hostname_set(struct mail *m)
{
	struct str name = m->child.config->hostname;

	if (name.n > 0 && name.n < sizeof(m->hostname))
		memcpy(m->hostname, name.p, name.n + 1);
	else if (gethostname(m->hostname, sizeof(m->hostname) - 1) != 0 || m->hostname[0] == '\0')
		strcpy(m->hostname, "localhost");
}

/* What nobody can search by is told here, and to who names it as if it were not there. */
static void
check_filters(const struct config_list *filters)
{
	struct arena a = ARENA_NONE;

	for (size_t i = 0; i < filters->n; i++) {
		size_t space = str_chr(filters->v[i], ' ');

		if (space == SIZE_MAX || !imap_filter_is_name(str_sub(filters->v[i], 0, space))
		    || !imap_filter_is_valid(&a,
			str_trim(str_sub(filters->v[i], space, filters->v[i].n))))
			log_event(LOG_WARNING, "filter-invalid", F_STR("filter", filters->v[i]));
		arena_reset(&a);
	}
}

static void
servers_start(struct mail *m)
{
	static const enum server_cleartext cleartext[] = { [CLEARTEXT_NEVER] =
							       SERVER_CLEARTEXT_NEVER,
		[CLEARTEXT_LOOPBACK] = SERVER_CLEARTEXT_LOCAL,
		[CLEARTEXT_ALWAYS] = SERVER_CLEARTEXT_ALWAYS };
	const struct config *c = m->child.config;
	struct server_options so = {
		.store = m->store,
		.auth = m->auth,
		.tls = m->tls,
		.loops = m->loops,
		.loop_count = m->loop_count,
		.doors = m->loops + m->loop_count,
		.door_count = m->door_count,
		.asides = m->loops + m->loop_count + m->door_count,
		.aside_count = m->loop_count,
		.pool = m->searches,
		.prompt_pool = m->prompt_searches,
		.limits = { .append_max_bytes = c->message_size_max,
		    .save_max = (uint32_t)c->save_limit,
		    .message_told = (uint32_t)c->message_limit,
		    .message_max = c->message_limit == 0
			? 0
			: (uint32_t)MAX(c->message_limit, c->message_limit_enforced),
		    .login_timeout_ms = (int64_t)c->login_timeout,
		    .idle_timeout_ms = (int64_t)c->idle_timeout,
		    .progress_ms = (int64_t)c->progress_every },
		.unknown_per_prefix_max = c->connections_per_prefix,
		.sessions_max = c->connections_max,
		.cleartext = cleartext[c->cleartext_login],
		.language = (enum language)c->language,
		.quota_admins = c->quota_admins.v,
		.quota_admin_count = c->quota_admins.n,
		.urlauth_entities = c->urlauth_entities.v,
		.urlauth_entity_count = c->urlauth_entities.n,
		.refuses_anyone = !c->acl_anyone,
		.admin_uri = c->admin_uri,
		.server_comment = c->server_comment,
		.shared_filters = c->shared_filters.v,
		.shared_filter_count = c->shared_filters.n,
		.filter_descriptions = c->shared_filter_descriptions.v,
		.filter_description_count = c->shared_filter_descriptions.n,
		.namespace_other = c->namespace_other,
		.namespace_shared = c->namespace_shared,
		.hostname = str_c(m->hostname),
	};
	struct lmtp_options lo = {
		.store = m->store,
		.auth = m->auth,
		.clock = clock_system(),
		.tls = m->tls,
		.loops = m->loops,
		.loop_count = m->loop_count,
		.hostname = str_c(m->hostname),
		.message_max_bytes = c->message_size_max,
		.trusted = c->lmtp_trusted.v,
		.trusted_count = c->lmtp_trusted.n,
		.is_overquota_permanent = c->quota_delivery == QUOTA_DELIVERY_REFUSE,
		.delimiters = c->recipient_delimiter,
	};

	check_filters(&c->shared_filters);
	m->imap = server_new(&so);
	m->admin = admin_new(&(struct service_store){ .store = m->store, .kv = m->kv });
	m->lmtp = lmtp_server_new(&lo);
	for (size_t i = 0; i < m->child.listener_count; i++) {
		const struct bound *b = &m->child.listeners[i];

		switch (b->service) {
		case SERVICE_IMAP:
		case SERVICE_IMAPS:
			server_listen(m->imap, b->fd, b->service == SERVICE_IMAPS);
			break;
		case SERVICE_LMTP:
			lmtp_server_listen(m->lmtp, b->fd);
			break;
		case SERVICE_CONTROL:
			m->control =
			    control_new(m->loops[0], b->fd, m->imap, m->store, m->auth, m->admin);
			break;
		case SERVICE_COUNT:
			break;
		}
	}
}

/* --- Ending --- */

static void
on_server_ended(void *ctx)
{
	struct mail *m = ctx;

	if (--m->ending == 0)
		for (size_t i = 0; i < m->all_count; i++)
			loop_stop(m->loops[i]);
}

static void
stop(struct mail *m)
{
	if (m->is_stopping)
		return;
	m->is_stopping = true;
	loop_timer_cancel(m->loops[0], &m->tick_timer);
	loop_timer_cancel(m->loops[0], &m->health_timer);
	control_free(m->control);
	m->control = NULL;
	m->ending = 2;
	lmtp_server_shutdown(m->lmtp, GRACE_MS, on_server_ended, m);
	server_shutdown(m->imap, GRACE_MS, on_server_ended, m);
}

/*
 * An engine that failed writes no more until it is opened anew, for nobody knows what a failed sync
 * left; reading goes on meanwhile. When it failed because the disk was full, all that is needed is
 * room: we end, and the supervisor starts the next.
 */
static void
on_health(struct loop_timer *t)
{
	struct mail *m = container_of(t, struct mail, health_timer);

	if (kv_is_failed(m->kv) && !m->is_failed) {
		m->is_failed = true;
		log_event(LOG_ERROR, "store",
		    F_C("detail",
			kv_is_out_of_room(m->kv)
			    ? "the disk is full: mail can be read, nothing can be changed until there is room"
			    : "the storage failed: mail can be read, nothing can be changed until the server is restarted"));
	} else if (m->is_failed && kv_is_out_of_room(m->kv) && kv_space(m->kv) != KV_SPACE_HARD) {
		log_event(LOG_WARNING, "store",
		    F_C("detail", "there is room again; the store is opened anew"));
		stop(m);
		return;
	}
	loop_timer_set(m->loops[0], t, HEALTH_MS);
}

/* --- The supervisor's words --- */

static void
on_configured(struct child *ch)
{
	(void)ch; /* what a reload may change is the auth process's, or the certificates */
}

static void
on_certified(struct child *ch)
{
	struct mail *m = container_of(ch, struct mail, child);
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct tls_cert certs[MESSAGE_CERTS_MAX];
	enum err e;

	certs_of(&ch->tls, certs);
	e = tls_replace(m->tls, certs, ch->tls.count, ch->tls.client_ca, &why);
	child_forget_tls(ch);
	if (e != ERR_OK)
		log_event(LOG_ERROR, "tls", F_ERR(e), F_STR("detail", buf_str(&why)));
}

static void
on_peer(struct child *ch, const struct child_peer *p)
{
	struct mail *m = container_of(ch, struct mail, child);

	if (p->who == ROLE_AUTH)
		auth_client_attach(m->auth, p->number, p->fd);
	else if (p->who == ROLE_KEY)
		sign_client_attach(m->signer, p->number, p->fd);
	else
		close(p->fd);
}

static void
on_stop(struct child *ch)
{
	stop(container_of(ch, struct mail, child));
}

/* --- Life --- */

static void *
run_loop(void *loop)
{
	thread_begin("loop", THREAD_PROMPT);
	loop_run(loop);
	return NULL;
}

static void *
run_door(void *loop)
{
	thread_begin("door", THREAD_MODEST);
	loop_set_modest(loop);
	loop_run(loop);
	return NULL;
}

static void *
run_aside(void *loop)
{
	thread_begin("aside", THREAD_PATIENT);
	loop_run(loop);
	return NULL;
}

static void
loops_make(struct mail *m)
{
	m->loop_count = config_loops(m->child.config);
	m->door_count = m->child.tls.count > 0 ? config_doors(m->child.config) : 0;
	m->all_count = 2 * m->loop_count + m->door_count;
	for (size_t i = 0; i < m->all_count; i++)
		m->loops[i] = loop_new(clock_system());
	/* Nobody shakes hands aside. */
	m->signer = sign_client_new(m->loops, m->loop_count + m->door_count);
}

static enum err
loops_start(struct mail *m)
{
	for (size_t i = 1; i < m->all_count; i++) {
		void *(*run)(void *loop) = i < m->loop_count ? run_loop
		    : i < m->loop_count + m->door_count      ? run_door
							     : run_aside;

		if (pthread_create(&m->threads[i], NULL, run, m->loops[i]) != 0)
			return ERR_NOMEM;
		m->thread_count++;
	}
	return ERR_OK;
}

static void
serve(struct mail *m)
{
	static const struct child_events events = { on_configured, on_certified, on_peer, on_stop };

	m->jobs = jobs_new(1, 4);
	m->prompt_searches = jobs_new((unsigned)m->loop_count, m->child.config->connections_max);
	/* One account's long searches leave half of the processors to the others. */
	m->searches = jobs_new_nice((unsigned)m->loop_count, (unsigned)(m->loop_count + 1) / 2,
	    m->child.config->connections_max);
	m->tick = (struct job){ .run = tick_run, .done = tick_done };
	m->auth = auth_client_new(m->loops, m->loop_count, m->child.config->scram);
	hostname_set(m);
	servers_start(m);
	child_watch(&m->child, m->loops[0], &events);
	m->patrol =
	    patrol_new(m->kv, (int64_t)m->child.config->verify_every, m->child.config->verify_rate);
	loop_timer_init(&m->tick_timer, on_tick);
	loop_timer_set(m->loops[0], &m->tick_timer, TICK_MS);
	loop_timer_init(&m->health_timer, on_health);
	loop_timer_set(m->loops[0], &m->health_timer, HEALTH_MS);
	child_ready(&m->child);
	thread_begin(NULL, THREAD_PROMPT); /* the other threads are there: none has it from here */
	loop_run(m->loops[0]);
}

static void
loops_join(struct mail *m)
{
	for (size_t i = 1; i <= m->thread_count; i++) {
		loop_stop(m->loops[i]);
		pthread_join(m->threads[i], NULL);
	}
	m->thread_count = 0;
}

/*
 * The kernel doubles its table of a process's descriptors when it is full, and while there are
 * threads it waits then until none can still look at the old one: on a busy machine ten
 * milliseconds and more, of a loop that has just accepted somebody. Before there are any it costs
 * nothing but the room, eight bytes each. Without it everything works.
 */
static void
make_room_for_descriptors(void)
{
	struct rlimit rl;
	int fd = -1;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur > 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC,
		    (int)MIN(rl.rlim_cur, (rlim_t)DESCRIPTORS_EXPECTED) - 1);
	if (fd >= 0)
		close(fd);
}

int
mail_main(void)
{
	struct mail *m = xcalloc(1, sizeof(*m));
	struct arena a = ARENA_NONE;
	const char *folder;
	bool has_tls_memory;
	int status = 1;

	mallopt(M_MMAP_THRESHOLD, MALLOC_GIVE_BACK_BYTES);
	mallopt(M_TRIM_THRESHOLD, MALLOC_KEEP_BYTES);
	has_tls_memory = tls_memory_init();
	if (child_open(&m->child, ROLE_MAIL) != ERR_OK)
		return 1;
	folder = role_folder(&a, ROLE_MAIL, m->child.config);
	if (child_confine(&m->child, folder) != ERR_OK)
		return 1;
	if (!has_tls_memory && !IS_SANITIZED)
		log_event(LOG_WARNING, "memory", F_C("tls", "malloc"));
	make_room_for_descriptors();
	loops_make(m);
	if (tls_start(m) == ERR_OK && store_start(m) == ERR_OK) {
		if (loops_start(m) == ERR_OK) {
			serve(m);
			status = 0;
		}
		loops_join(m);
		control_free(m->control);
		admin_free(m->admin);
		lmtp_server_free(m->lmtp);
		server_free(m->imap);
		jobs_free(m->jobs);
		/* first: what is not over goes on in the other */
		jobs_free(m->prompt_searches);
		jobs_free(m->searches);
		auth_client_free(m->auth);
	}
	patrol_free(m->patrol);
	if (m->store != NULL)
		store_close(m->store);
	if (m->kv != NULL)
		kv_close(m->kv);
	if (m->tls != NULL)
		tls_unref(m->tls);
	sign_client_free(m->signer);
	child_close(&m->child);
	for (size_t i = 0; i < m->all_count; i++)
		loop_free(m->loops[i]);
	arena_done(&a);
	free(m);
	return status;
}

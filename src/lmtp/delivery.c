/*
 * delivery.c - see delivery.h. delivery_step() goes as far as it can, and is called again when
 * woken.
 */
#include "lmtp/delivery.h"

#include "store/mailbox.h"

enum { TRIES_MAX = 4 };

/*
 * A folder of that name that can hold messages: exactly, else but for ASCII case, for MTAs that
 * fold addresses.
 */
static const struct mailbox_info *
folder_find(struct snapshot *s, struct str name)
{
	const struct mailbox_info *m = snapshot_mailbox(s, name);

	if (m != NULL && !m->is_noselect)
		return m;
	for (uint32_t i = 0; (m = snapshot_mailbox_at(s, i)) != NULL; i++) {
		if (!m->is_noselect && str_eq_nocase(m->name, name))
			return m;
	}
	return NULL;
}

static struct mailbox_id
destination_find(struct delivery *d)
{
	struct snapshot *s = account_snapshot(d->account, NULL);
	const struct mailbox_info *m = NULL;
	struct mailbox_id id = { 0 };

	if (d->folder.n != 0)
		m = folder_find(s, d->folder);
	d->is_inbox = m == NULL;
	if (m == NULL)
		m = snapshot_mailbox(s, STR("INBOX"));
	if (m != NULL)
		id = m->id;
	snapshot_unref(s);
	return id;
}

static enum err
delivery_append(struct delivery *d)
{
	const struct append append = { .arrival = d->arrival, .prefix = d->prefix };
	struct mailbox_id dest = destination_find(d);
	struct snapshot *after = NULL;
	uint32_t uidvalidity;
	enum err e;

	if (dest.v == 0)
		return ERR_CORRUPT; /* every account has an INBOX */
	e = messages_append(d->account, dest, &append, 1, &d->waiter, &d->uid, &uidvalidity,
	    &after);
	if (e != ERR_OK)
		return e;
	d->version = snapshot_version(after);
	snapshot_unref(after);
	return ERR_OK;
}

static enum err
delivery_step(struct delivery *d)
{
	enum err e;

	if (d->account == NULL) {
		e = store_account_open(d->store, d->user, ACCOUNT_CREATE, &d->waiter, &d->account);
		if (e != ERR_OK)
			return e;
	}
	for (;;) {
		if (d->version == 0) {
			e = delivery_append(d);
			/* The folder went, or another frontend was faster: look again. */
			if ((e == ERR_NOTFOUND || e == ERR_NOSELECT || e == ERR_CONFLICT)
			    && ++d->tries < TRIES_MAX)
				continue;
			if (e != ERR_OK)
				return e;
		}
		return account_wait_durable(d->account, d->version, &d->waiter);
	}
}

static void
delivery_release(struct delivery *d)
{
	waiter_cancel(&d->waiter);
	loop_task_cancel(d->loop, &d->task);
	if (d->account != NULL)
		account_unref(d->account);
	d->account = NULL;
	d->is_done = true;
}

static void
delivery_go_on(struct delivery *d)
{
	enum err e = delivery_step(d);

	if (e == ERR_WAIT)
		return;
	d->result = e;
	delivery_release(d);
	d->done(d);
}

static void
delivery_task(struct loop_task *t)
{
	delivery_go_on(container_of(t, struct delivery, task));
}

static void
delivery_wake(struct waiter *w)
{
	struct delivery *d = container_of(w, struct delivery, waiter);

	loop_post(d->loop, &d->task);
}

void
delivery_begin(struct delivery *d)
{
	waiter_init(&d->waiter, delivery_wake);
	loop_task_init(&d->task, delivery_task);
	d->is_begun = true;
	delivery_go_on(d);
}

void
delivery_cancel(struct delivery *d)
{
	if (d->is_begun && !d->is_done)
		delivery_release(d);
}

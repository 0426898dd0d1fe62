/*
 * restore_into.c - mail of a backup is added to accounts of the running server: what a mailbox has
 * already (the same EMAILID and bytes) stays as it is, and gets its bytes back if they are lost; the
 * rest comes with new UIDs.
 */
#include "ctl/admin_client.h"
#include "ctl/restore.h"
#include "store/annotation.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ASK_MESSAGES = 512, PIECE_BYTES = 256 << 10 };

struct into {
	struct ctl *c;
	const struct restore *r;
	int fd;
	const struct manifest_account *account;
	const char *to; /* the user who gets it */
	struct image image;
	struct buf out, in, blob;
	uint64_t restored, there, lost;
	uint64_t repaired;             /* there, but without their bytes, which came again */
	bool has_mailbox, has_message; /* those that are asked for */
};

/* ---- frames ---------------------------------------------------------------------------------- */

static int
send_frame(struct into *t, char kind, struct str body)
{
	enum err e = wire_send(t->fd, kind, body);
	char got = 0;

	if (e == ERR_OK)
		return CTL_OK;
	/* It may have said why before it ended the connection. */
	while (wire_receive(t->fd, &got, &t->in) == ERR_OK) {
		if (got == 'X')
			return admin_fail(buf_str(&t->in));
	}
	return ctl_fail(
	    "posthornd ended the connection (%s); the same command again restores the rest",
	    err_name(e));
}

static int
ask(struct into *t, char kind, uint64_t *number_out)
{
	struct str rest;
	int status = buf_err(&t->out) == ERR_OK ? send_frame(t, kind, buf_str(&t->out))
						: ctl_fail("that is too long");

	if (status == CTL_OK)
		status = admin_expect(t->fd, 'D', &t->in);
	rest = buf_str(&t->in);
	if (status == CTL_OK && !wire_take_u64(&rest, number_out))
		status = ctl_fail("posthornd gave an answer that makes no sense");
	return status;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void
add_object_id(struct buf *out, struct object_id id)
{
	char bytes[OBJECT_ID_BYTES];

	object_id_encode(id, bytes);
	buf_add(out, bytes, sizeof(bytes));
}

static void
say_message(struct into *t, const struct image_box *b, const struct image_entry *entry,
    const struct image_message *m, const char *what)
{
	char text[OBJECT_ID_TEXT_MAX];
	struct str email = object_id_text(m->email, 'M', text);

	if (t->c->is_json) {
		json_t *o = json_pack("{s:s%,s:s%,s:I,s:I,s:s%,s:s}", "account", t->account->user.p,
		    t->account->user.n, "mailbox", b->name.p, b->name.n, "uid",
		    (json_int_t)entry->uid, "size", (json_int_t)entry->e.size_bytes, "emailid",
		    email.p, email.n, "result", what);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (t->r->is_dry) {
		printf("%.*s: mailbox %.*s, UID %u, %.*s, %llu bytes: %s\n",
		    STR_F(t->account->user), STR_F(b->name), entry->uid, STR_F(email),
		    (unsigned long long)entry->e.size_bytes, what);
	}
}

static int
send_bytes(struct into *t)
{
	struct str rest = buf_str(&t->blob);
	int status = CTL_OK;

	for (; status == CTL_OK && rest.n != 0; rest = str_sub(rest, PIECE_BYTES, rest.n))
		status = send_frame(t, 'P', str_sub(rest, 0, PIECE_BYTES));
	return status == CTL_OK ? send_frame(t, 'F', STR("")) : status;
}

static bool
read_message(struct into *t, const struct image_box *b, const struct image_entry *entry,
    const struct image_message *m)
{
	if (repo_read(t->r->repo, &m->blob, &t->blob) == ERR_OK
	    && (m->prefix.n == 0 || m->prefix.p != NULL))
		return true;
	ctl_fail("%.*s: mailbox %.*s, UID %u is damaged in the backup", STR_F(t->account->user),
	    STR_F(b->name), entry->uid);
	t->lost++;
	return false;
}

/* A message that is there has its bytes again. */
static int
put_bytes(struct into *t, const struct image_box *b, const struct image_entry *entry,
    const struct image_message *m)
{
	int status = CTL_OK;

	if (!t->r->is_dry) {
		if (!read_message(t, b, entry, m))
			return CTL_OK;
		status = send_frame(t, 'G', STR(""));
		if (status == CTL_OK)
			status = send_bytes(t);
	}
	if (status == CTL_OK) {
		say_message(t, b, entry, m, t->r->is_dry ? "damaged" : "repaired");
		t->repaired++;
	}
	return status;
}

static int
put_message(struct into *t, const struct image_box *b, const struct image_entry *entry,
    const struct image_message *m)
{
	char email[OBJECT_ID_BYTES], thread[OBJECT_ID_BYTES];
	uint64_t keywords = 0;
	int status;

	if (!read_message(t, b, entry, m))
		return CTL_OK;
	object_id_encode(m->email, email);
	object_id_encode(m->thread, thread);
	for (uint32_t slot = 0; slot < b->row.keyword_count; slot++)
		keywords += entry->e.keywords.w[slot / 64] >> slot % 64 & 1;
	buf_clear(&t->out);
	wire_u64(&t->out, entry->e.flags);
	wire_u64(&t->out, (uint64_t)entry->e.internal_s);
	wire_u64(&t->out, (uint64_t)(int64_t)entry->e.internal_zone_min);
	wire_str(&t->out, str_make(email, sizeof(email)));
	wire_str(&t->out, str_make(thread, sizeof(thread)));
	wire_str(&t->out, m->prefix);
	wire_u64(&t->out, keywords);
	for (uint32_t slot = 0; slot < b->row.keyword_count; slot++) {
		if ((entry->e.keywords.w[slot / 64] >> slot % 64 & 1) != 0)
			wire_str(&t->out, b->row.keywords[slot]);
	}
	status = send_frame(t, 'M', buf_str(&t->out));
	if (status == CTL_OK)
		status = send_bytes(t);
	if (status == CTL_OK)
		say_message(t, b, entry, m, "restored");
	return status;
}

/* Entries that are asked for at once: which of them the mailbox lacks; those are put there. */
static int
put_some(struct into *t, const struct image_box *b, const struct image_entry *const *entries,
    size_t count)
{
	BUF_CLEAN struct buf has = BUF_MAX(ASK_MESSAGES);
	int status;

	buf_clear(&t->out);
	for (size_t i = 0; i < count; i++) {
		const struct image_message *m = image_message(&t->image, entries[i]->e.msgno);

		add_object_id(&t->out, m->email);
		buf_add(&t->out, m->blob.sha256, sizeof(m->blob.sha256));
	}
	status = send_frame(t, 'E', buf_str(&t->out));
	if (status == CTL_OK)
		status = admin_expect(t->fd, 'H', &t->in);
	buf_str_add(&has, buf_str(&t->in));
	if (status == CTL_OK && has.n != count)
		return ctl_fail("posthornd gave an answer that makes no sense");
	for (size_t i = 0; status == CTL_OK && i < count; i++) {
		const struct image_message *m = image_message(&t->image, entries[i]->e.msgno);

		if (has.p[i] == 2)
			status = put_bytes(t, b, entries[i], m);
		else if (has.p[i] != 0)
			t->there++;
		else if (t->r->is_dry)
			say_message(t, b, entries[i], m, "missing"), t->restored++;
		else
			status = put_message(t, b, entries[i], m);
	}
	return status;
}

/* ---- mailboxes and accounts ------------------------------------------------------------------ */

static bool
is_wanted(struct into *t, const struct image_box *b, const struct image_entry *entry)
{
	const struct image_message *m = image_message(&t->image, entry->e.msgno);
	char text[OBJECT_ID_TEXT_MAX];

	if (!image_is_there(&t->image, b, entry) || (t->r->uid != 0 && t->r->uid != entry->uid))
		return false;
	if (m == NULL) {
		ctl_fail("%.*s: mailbox %.*s, UID %u is damaged in the backup",
		    STR_F(t->account->user), STR_F(b->name), entry->uid);
		t->lost++;
		return false;
	}
	return t->r->message == NULL
	    || str_eq(str_c(t->r->message), object_id_text(m->email, 'M', text));
}

static int
put_entries(struct into *t, const struct image_box *b)
{
	const struct image_entry *some[ASK_MESSAGES];
	size_t count = 0;
	int status = CTL_OK;

	for (size_t i = 0; status == CTL_OK && i < b->count; i++) {
		if (!is_wanted(t, b, &b->entries[i]))
			continue;
		some[count++] = &b->entries[i];
		if (count == ASK_MESSAGES) {
			status = put_some(t, b, some, count);
			count = 0;
		}
	}
	return status == CTL_OK && count != 0 ? put_some(t, b, some, count) : status;
}

static bool
has_wanted(struct into *t, const struct image_box *b)
{
	if (t->r->message == NULL && t->r->uid == 0)
		return true;
	for (size_t i = 0; i < b->count; i++) {
		if (is_wanted(t, b, &b->entries[i]))
			return true;
	}
	return false;
}

static bool
has_user(struct str users, uint64_t id)
{
	struct str name;
	uint64_t here;

	while (wire_take_u64(&users, &here) && wire_take_str(&users, &name)) {
		if (here == id)
			return true;
	}
	return false;
}

/*
 * Whose private annotations these are: numbers of accounts in the backup, with names, each once.
 * What others have of a mailbox goes to nobody else.
 */
static void
add_users(struct into *t, struct str annotations)
{
	const struct manifest *m = &t->r->manifest;
	struct annotation a;

	while (annotation_next(&annotations, &a)) {
		const bool is_owner = a.user == t->account->id.v;

		if (a.user == 0 || (t->r->to != NULL && !is_owner)
		    || has_user(buf_str(&t->blob), a.user))
			continue;
		for (size_t i = 0; i < m->account_count; i++) {
			if (m->accounts[i].id.v != a.user)
				continue;
			wire_u64(&t->blob, a.user);
			wire_str(&t->blob, is_owner ? str_c(t->to) : m->accounts[i].user);
		}
	}
}

static int
put_box(struct into *t, const struct image_box *b)
{
	uint64_t n;
	int status;

	if (b->row.is_noselect || !image_box_is_there(&t->image, b)
	    || (t->r->mailbox != NULL && !str_eq(str_c(t->r->mailbox), b->name)))
		return CTL_OK;
	t->has_mailbox = true;
	if (!has_wanted(t, b))
		return CTL_OK;
	t->has_message = true;
	buf_clear(&t->out);
	wire_str(&t->out, b->name);
	wire_u64(&t->out, b->row.special_use);
	wire_u64(&t->out, b->row.is_subscribed);
	wire_u64(&t->out, !t->r->is_dry);
	/* A copy for another user is his alone. */
	wire_u64(&t->out, t->r->to == NULL);
	wire_u64(&t->out, b->row.is_seen_private);
	wire_u64(&t->out, b->row.is_seen_fixed);
	wire_str(&t->out, b->row.acl);
	wire_str(&t->out, b->row.annotations);
	buf_clear(&t->blob);
	add_users(t, b->row.annotations);
	wire_str(&t->out, buf_str(&t->blob));
	status = ask(t, 'B', &n);
	if (status == CTL_OK)
		status = put_entries(t, b);
	buf_clear(&t->out);
	if (status == CTL_OK && !t->r->is_dry) {
		status = ask(t, 'K', &n);
		t->restored += status == CTL_OK ? n : 0;
	}
	return status;
}

static int
put_account(struct into *t, const struct manifest_account *account)
{
	enum err e = backup_image(t->r->repo, account, IMAGE_WHOLE, &t->image);
	uint64_t n;
	int status;

	t->account = account;
	t->to = t->r->to != NULL ? t->r->to : arena_cstr(&t->c->arena, account->user);
	if (e != ERR_OK) {
		ctl_fail(
		    "%.*s: a part of it is damaged in the backup (%s); what can be read is restored",
		    STR_F(account->user), err_name(e));
		t->lost++;
	}
	image_finish(&t->image, t->r->at_ms);
	buf_clear(&t->out);
	wire_str(&t->out, str_c(t->to));
	status = ask(t, 'A', &n);
	for (size_t i = 0; status == CTL_OK && i < t->image.box_count; i++)
		status = put_box(t, &t->image.boxes[i]);
	image_done(&t->image);
	return status;
}

static int
put_accounts(struct into *t)
{
	const struct manifest *m = &t->r->manifest;
	bool is_found = false;
	int status = CTL_OK;

	for (size_t i = 0; status == CTL_OK && i < m->account_count; i++) {
		if (m->accounts[i].id.v == 0
		    || (t->r->account != NULL
			&& !str_eq(str_c(t->r->account), m->accounts[i].user)))
			continue;
		is_found = true;
		status = put_account(t, &m->accounts[i]);
	}
	if (status != CTL_OK || t->r->account == NULL)
		return status;
	if (!is_found)
		return ctl_fail("the backup has no account \"%s\"", t->r->account);
	if (t->r->mailbox != NULL && !t->has_mailbox)
		return ctl_fail("the backup has no mailbox \"%s\" of %s", t->r->mailbox,
		    t->r->account);
	if ((t->r->uid != 0 || t->r->message != NULL) && !t->has_message && t->lost == 0)
		return ctl_fail("the backup has no such message of %s there", t->r->account);
	return CTL_OK;
}

int
restore_into(struct ctl *c, const struct restore *r)
{
	struct into t = { .c = c,
		.r = r,
		.out = BUF_MAX(WIRE_MAX_BYTES),
		.in = BUF_MAX(WIRE_MAX_BYTES),
		.blob = BUF_MAX(SIZE_MAX / 2) };
	uint64_t users = 0;
	int status = CTL_OK;

	t.fd = admin_connect(c);
	if (t.fd == -1)
		ctl_fail("posthornd is not running with this configuration; start it first");
	if (t.fd < 0)
		return CTL_FAILED;
	if (r->to == NULL && !r->is_dry)
		status = restore_users(c, r, str_c(r->account), &users);
	if (status == CTL_OK)
		status = put_accounts(&t);
	close(t.fd);
	buf_done(&t.out);
	buf_done(&t.in);
	buf_done(&t.blob);
	if (c->is_json)
		printf(
		    "{\"backup\":\"%s\",\"restored\":%llu,\"there\":%llu,\"repaired\":%llu,\"lost\":%llu,\"users\":%llu}\n",
		    r->backup, (unsigned long long)t.restored, (unsigned long long)t.there,
		    (unsigned long long)t.repaired, (unsigned long long)t.lost,
		    (unsigned long long)users);
	else if (!c->is_quiet)
		printf("%s: %llu messages %s, %llu are there already\n", r->backup,
		    (unsigned long long)t.restored, r->is_dry ? "are missing" : "restored",
		    (unsigned long long)t.there);
	if (!c->is_json && !c->is_quiet && t.repaired != 0)
		printf("%llu more are there and %s\n", (unsigned long long)t.repaired,
		    r->is_dry ? "can't be read" : "could not be read; their bytes are back");
	return status == CTL_OK && t.lost != 0 ? CTL_FAILED : status;
}

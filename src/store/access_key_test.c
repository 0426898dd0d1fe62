/*
 * access_key_test.c - keys of URLs: made once, replaced, bounded, gone with their mailboxes, and
 * out of the way of annotations.
 */
#include "store/access_key.h"

#include "store/annotation.h"
#include "store/row.h"
#include "store/store_test_util.h"

#include <stdio.h>

static const struct mailbox_info *
box(struct fixture *f, struct snapshot **now, struct str name)
{
	snapshot_unref(*now);
	*now = account_snapshot(f->account, NULL);
	return snapshot_mailbox(*now, name);
}

/* Makes a key of a byte repeated; what it is then. */
static char
make(struct fixture *f, struct account_id in, const struct mailbox_info *m, enum access_key_how how,
    char byte, enum err want)
{
	struct access_key fresh, key = { .bytes = "?" };
	struct snapshot *after;

	memset(fresh.bytes, byte, sizeof(fresh.bytes));
	CHECK(access_key_make(f->account, in, m, how, &fresh, &key, &after) == want);
	if (want == ERR_OK)
		snapshot_unref(after);
	fixture_settle(f);
	return key.bytes[0];
}

static void
test_made_and_replaced(void)
{
	struct snapshot *now = NULL, *after;
	const struct mailbox_info *m;
	struct access_key key;
	struct fixture f;
	struct account_id own;

	fixture_init(&f, true);
	own = account_id(f.account);
	m = box(&f, &now, STR("Drafts"));
	CHECK(!access_key_find(now, own, m, &key));
	CHECK(make(&f, own, m, ACCESS_KEY_KEEP, 'a', ERR_OK) == 'a');
	CHECK(make(&f, own, m, ACCESS_KEY_KEEP, 'b', ERR_OK) == 'a');
	CHECK(make(&f, own, m, ACCESS_KEY_REPLACE, 'c', ERR_OK) == 'c');
	CHECK(make(&f, (struct account_id){ 77 }, m, ACCESS_KEY_KEEP, 'd', ERR_OK) == 'd');
	m = box(&f, &now, STR("Drafts"));
	CHECK(access_key_find(now, own, m, &key) && key.bytes[31] == 'c');
	CHECK(access_key_find(now, (struct account_id){ 77 }, m, &key) && key.bytes[0] == 'd');
	CHECK(!access_key_find(now, own, box(&f, &now, STR("Sent")), &key));
	/* A mailbox in the place of a deleted one has none. */
	CHECK(mailbox_delete(f.account, STR("Drafts"), &f.b.w, &after) == ERR_OK);
	snapshot_unref(after);
	CHECK(mailbox_create(f.account, STR("Drafts"), 0, &f.b.w, &after) == ERR_OK);
	snapshot_unref(after);
	fixture_settle(&f);
	m = box(&f, &now, STR("Drafts"));
	CHECK(!access_key_find(now, own, m, &key));
	CHECK(make(&f, own, m, ACCESS_KEY_KEEP, 'e', ERR_OK) == 'e');
	CHECK(access_keys_remove(f.account, &after) == ERR_OK);
	snapshot_unref(after);
	fixture_settle(&f);
	m = box(&f, &now, STR("Drafts"));
	CHECK(!access_key_find(now, own, m, &key)
	    && !access_key_find(now, (struct account_id){ 77 }, m, &key));
	CHECK_U64(snapshot_mailbox(now, STR("INBOX"))->annotations.n, 0);
	snapshot_unref(now);
	fixture_done(&f);
}

static size_t
count(struct str list)
{
	struct annotation a;
	size_t n = 0;

	while (annotation_next(&list, &a))
		n += a.scope == ANNOTATION_KEY;
	return n;
}

/* Keys of one's own mailboxes that are gone make room; others' are not known to be. */
static void
test_bounded(void)
{
	struct snapshot *now = NULL;
	struct mailbox_info m = { .uidvalidity = 5 };
	struct fixture f;
	struct account_id own;

	fixture_init(&f, true);
	own = account_id(f.account);
	for (unsigned i = 1; i <= ACCESS_KEYS_MAX - 1; i++) {
		m.id.v = 1000 + i;
		make(&f, (struct account_id){ 77 }, &m, ACCESS_KEY_KEEP, 'x', ERR_OK);
	}
	for (unsigned i = 1; i <= 3; i++) {
		m.id.v = 5000 + i;
		make(&f, own, &m, ACCESS_KEY_KEEP, 'y', ERR_OK);
	}
	CHECK_U64(count(box(&f, &now, STR("INBOX"))->annotations), ACCESS_KEYS_MAX);
	make(&f, own, box(&f, &now, STR("INBOX")), ACCESS_KEY_KEEP, 'z', ERR_OK);
	CHECK(make(&f, own, box(&f, &now, STR("Sent")), ACCESS_KEY_KEEP, 'z', ERR_LIMIT) == '?');
	CHECK(make(&f, own, box(&f, &now, STR("INBOX")), ACCESS_KEY_REPLACE, 'w', ERR_OK) == 'w');
	CHECK(annotations_are_valid(box(&f, &now, STR("INBOX"))->annotations));
	snapshot_unref(now);
	fixture_done(&f);
}

/*
 * INBOX's annotations stay when keys go, keys stay when annotations go, and neither is copied to
 * another mailbox.
 */
static void
test_beside_annotations(void)
{
	struct annotation note = { .scope = ANNOTATION_SHARED,
		.name = STR("/shared/comment"),
		.value = STR("x") };
	BUF_CLEAN struct buf list = BUF_MAX(ANNOTATIONS_MAX_BYTES),
			     more = BUF_MAX(ANNOTATIONS_MAX_BYTES),
			     rest = BUF_MAX(ANNOTATIONS_MAX_BYTES);
	struct annotation key = { .scope = ANNOTATION_KEY,
		.user = 7,
		.name = STR("2a.5"),
		.value = STR("01234567890123456789012345678901") };
	struct str value;

	CHECK(annotations_change(STR(""), &note, 1, &list) == ERR_OK);
	annotation_add(&list, &key);
	CHECK(annotations_are_valid(buf_str(&list)));
	access_keys_strip(buf_str(&list), &rest);
	CHECK(annotation_find(buf_str(&rest), &note, &value)
	    && !annotation_find(buf_str(&rest), &key, &value));
	buf_clear(&rest);
	annotations_of_mailbox(buf_str(&list), &rest);
	CHECK(!annotation_find(buf_str(&rest), &key, &value));
	note.value = STR_NONE;
	CHECK(annotations_change(buf_str(&list), &note, 1, &more) == ERR_OK);
	CHECK(annotation_find(buf_str(&more), &key, &value)
	    && !annotation_find(buf_str(&more), &note, &value));
}

TEST_MAIN(TEST(test_made_and_replaced), TEST(test_bounded), TEST(test_beside_annotations))

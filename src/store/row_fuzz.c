/* row_fuzz.c - hostile bytes for every decoder of rows and pages: the first byte says which. */
#include "store/access_key.h"
#include "store/acl.h"
#include "store/annotation.h"
#include "store/message_record.h"
#include "store/notes.h"
#include "store/row.h"
#include "store/tree.h"
#include "store/undo_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_page(struct str in)
{
	struct buf out = BUF_MAX(1 << 20);
	struct page_sums sums;
	struct str operands[3];
	size_t third = in.n / 3;

	operands[0] = str_sub(in, third, 2 * third);
	operands[1] = str_sub(in, 2 * third, in.n);
	operands[2] = in;
	page_merge(str_sub(in, 0, third), operands, ARRAY_LEN(operands), &out);
	must(page_is_valid(buf_str(&out)) || page_private_is_valid(buf_str(&out)));
	page_merge(in, operands, 1, &out);
	if (page_is_valid(in)) {
		struct tree_edit edit = { 0 };
		struct tree_at at;

		page_sum(in, &sums);
		tree_edit_put(&edit, 5, in);
		tree_edit_merge(&edit, 5, operands[1]);
		for (uint32_t uid = 0; tree_next(tree_edit_now(&edit), uid, TREE_ANY, &at);
		     uid = at.uid + 1)
			must(at.uid / PAGE_UIDS == 5);
		tree_unref(tree_edit_end(&edit));
	}
	buf_done(&out);
}

/* What is taken for a list can be changed, copied and compared, and stays one. */
static void
fuzz_notes(struct str in)
{
	const struct annotation change = { .scope = ANNOTATION_SHARED,
		.name = STR("/comment"),
		.value = STR("new") };
	BUF_CLEAN struct buf changed = BUF_MAX(1 << 20), copy = BUF_MAX(1 << 20),
			     names = BUF_MAX(1 << 20);
	struct str list;

	if (notes_row_decode(in, &list) != ERR_OK)
		return;
	if (notes_change(list, &change, 1, &changed) == ERR_OK)
		must(notes_are_valid(buf_str(&changed)));
	notes_copy(list, 7, RIGHTS_ALL, &copy);
	must(copy.n <= list.n && (copy.n == 0 || notes_are_valid(buf_str(&copy))));
	notes_diff(list, buf_str(&changed), 7, &names);
	must(notes_are_valid(buf_str(&names)) || names.n == 0);
}

static void
fuzz_undo(struct str in)
{
	struct undo_section s;
	struct str rest;
	int64_t time_ms;

	if (undo_decode(in, &time_ms, &rest) != ERR_OK)
		return;
	while (undo_next(&rest, &s)) {
		struct page_sums sums;

		if (s.kind == 'R' || s.kind == 'M')
			page_sum(s.page_bytes, &sums);
	}
}

static void
fuzz_staged(struct str in)
{
	struct staged s;

	if (staged_row_decode(in, &s) != ERR_OK)
		return;
	for (size_t i = 0; i < s.count; i++)
		must(staged_at(&s, i).v != 0);
}

/* Rows of one size: what decodes encodes to the same again, whatever its unused bytes were. */
static void
fuzz_small(struct str in)
{
	BUF_CLEAN struct buf one = BUF_MAX(4096), two = BUF_MAX(4096);
	struct quota_limits limits;
	struct seen_row seen;
	struct object_id id;
	uint64_t number;

	if (limits_row_decode(in, &limits) == ERR_OK) {
		limits_row_encode(&limits, &one);
		must(limits_row_decode(buf_str(&one), &limits) == ERR_OK);
		limits_row_encode(&limits, &two);
		must(str_eq(buf_str(&one), buf_str(&two)));
	}
	buf_clear(&one);
	if (seen_row_decode(in, &seen) == ERR_OK) {
		seen_row_encode(&seen, &one);
		must(seen_row_decode(buf_str(&one), &seen) == ERR_OK);
	}
	buf_clear(&one);
	if (u64_row_decode(in, &number) == ERR_OK) {
		u64_row_encode(number, &one);
		must(str_eq(buf_str(&one), in));
	}
	ignore_err(object_id_decode(in, &id), "hostile");
}

static void
fuzz_key(struct str in)
{
	struct mailbox_id id;
	uint32_t number;
	uint64_t user;

	(void)row_key_parse_mailbox(in, &id);
	(void)row_key_parse_page(in, &id, &number);
	(void)row_key_parse_notes(in, &id, &number);
	(void)row_key_parse_private(in, &id, &user, &number);
	(void)row_key_parse_private_sums(in, &id, &user);
	(void)row_key_parse_vanished(in, &id, &user);
	(void)row_key_parse_undo(in, &user);
	(void)row_key_parse_staged(in, &user);
	(void)row_key_parse_dying(in, &user);
}

/* A list of rights that is valid stays so, whatever is set in it. */
static void
fuzz_acl(struct str in)
{
	const struct str groups[] = { STR("staff") };
	const struct identity who = { .user = STR("joe"), .groups = groups, .group_count = 1 };
	BUF_CLEAN struct buf changed = BUF_MAX(1 << 20), text = BUF_MAX(4096);
	unsigned rights;

	if (rights_parse(in, &rights)) {
		rights_format(rights, &text);
		must(rights_parse(buf_str(&text), &rights));
	}
	if (!acl_is_valid(in))
		return;
	must((acl_rights(in, STR("ann"), &who) & ~(unsigned)RIGHTS_ALL) == 0);
	if (acl_set(in, STR("joe"), RIGHT_L, true, &changed) == ERR_OK)
		must(acl_is_valid(buf_str(&changed))
		    && acl_find(buf_str(&changed), STR("joe"), &rights) && rights == RIGHT_L);
}

/* Annotations of mailboxes; keys of URLs are among them. */
static void
fuzz_annotations(struct str in)
{
	const struct annotation change = { .scope = ANNOTATION_SHARED,
		.name = STR("/shared/comment"),
		.value = STR("new") };
	BUF_CLEAN struct buf changed = BUF_MAX(1 << 20), stripped = BUF_MAX(1 << 20);

	if (!annotations_are_valid(in))
		return;
	access_keys_strip(in, &stripped);
	must(annotations_are_valid(buf_str(&stripped)) && stripped.n <= in.n);
	if (annotations_change(in, &change, 1, &changed) == ERR_OK)
		must(annotations_are_valid(buf_str(&changed)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make(data + 1, size == 0 ? 0 : size - 1);
	struct rangeset set = RANGESET_NONE;
	struct account_row account;
	struct str keywords[KEYWORDS_MAX];
	struct mailbox_row mailbox;
	struct status_row status;

	if (size == 0)
		return 0;
	switch (data[0] % 12) {
	case 0:
		ignore_err(account_row_decode(in, &account), "hostile");
		break;
	case 1:
		ignore_err(mailbox_row_decode(in, &mailbox, keywords), "hostile");
		break;
	case 2:
		ignore_err(status_row_decode(in, &status), "hostile");
		break;
	case 3:
		ignore_err(vanished_row_decode(in, &set), "hostile");
		rangeset_done(&set);
		break;
	case 4:
		fuzz_page(in);
		break;
	case 5:
		fuzz_undo(in);
		break;
	case 6:
		fuzz_notes(in);
		break;
	case 7:
		fuzz_staged(in);
		break;
	case 8:
		fuzz_small(in);
		break;
	case 9:
		fuzz_key(in);
		break;
	case 10:
		fuzz_acl(in);
		break;
	case 11:
		fuzz_annotations(in);
		break;
	}
	return 0;
}

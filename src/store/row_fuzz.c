/* row_fuzz.c - hostile bytes for every decoder of rows and pages: the first byte says which. */
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
	switch (data[0] % 8) {
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
	}
	return 0;
}

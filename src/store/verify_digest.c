/*
 * verify_digest.c - stored digests (docs/file-format.md, M6): what a row says of a message is what
 * its records say now. A row, and the records that it is of, are read as of one moment, for the
 * server may be at work. Rows that are wrong, or can't be read, are removed: they are made anew
 * when they are wanted.
 */
#include "store/verify_int.h"

#include "store/digest_int.h"
#include "store/message_held.h"

enum { AT_SUMMARIES = DIGEST_COLUMNS, AT_HEADERS, RANGES };

static void
tell(struct verify_account *a, const struct message_key *key, uint32_t number, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, VERIFY_DIGEST, NULL);
	struct kv_txn *t = verify_repair(a);

	f.is_repaired = t != NULL;
	f.msgno = (struct msgno){ number << BLOCK_BITS };
	f.detail = str_c(detail);
	verify_tell(a->v, &f);
	if (t != NULL)
		kv_del(t, KV_POSTING, message_key_str(key));
}

static bool
is_same(const struct block *row, const struct block *made)
{
	for (unsigned i = 0; i < BLOCK_MESSAGES; i++)
		if ((row->mask & made->mask & (uint64_t)1 << i) != 0
		    && !str_eq(block_value(row, i), block_value(made, i)))
			return false;
	return true;
}

static void
range_rows(const struct kv_row_list *list, uint32_t number, struct str out[BLOCK_MESSAGES])
{
	struct row_cursor rc = { .ranges = list, .range_count = 1 };

	for (uint32_t i = 0; i < BLOCK_MESSAGES; i++)
		out[i] = row_cursor_find(&rc, (struct msgno){ number << BLOCK_BITS | i });
}

static void
block_check(struct verify_account *a, uint32_t number, const struct kv_rows *rows,
    const struct message_key keys[DIGEST_COLUMNS])
{
	struct str summaries[BLOCK_MESSAGES], headers[BLOCK_MESSAGES];
	struct block *none[DIGEST_COLUMNS] = { NULL };
	struct packing made[DIGEST_COLUMNS];
	bool is_sound;

	range_rows(&rows->ranges[AT_SUMMARIES], number, summaries);
	range_rows(&rows->ranges[AT_HEADERS], number, headers);
	digest_packings_init(made);
	is_sound = digest_pack(DIGEST_ALL, summaries, headers, none, made);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		const struct kv_row_list *list = &rows->ranges[column];
		struct block *row = NULL, *want;

		if (list->count == 0 && list->gap_count == 0)
			continue;
		if (list->count == 0 || digest_row_decode(list->rows[0].value, 0, &row) != ERR_OK) {
			tell(a, &keys[column], number, "a row can't be read");
			continue;
		}
		want = packing_end(&made[column], 0);
		if (is_sound && !is_same(row, want)) /* of damaged records others tell */
			tell(a, &keys[column], number, "a row is wrong");
		block_unref(want);
		block_unref(row);
	}
	digest_packings_done(made);
}

static void
range_of(struct kv_range *r, struct message_key (*key)(struct msgno n), uint32_t number,
    struct message_key k[2])
{
	k[0] = key((struct msgno){ number << BLOCK_BITS });
	k[1] = key((struct msgno){ number << BLOCK_BITS | (BLOCK_MESSAGES - 1) });
	k[1].bytes[k[1].n++] = 0; /* just behind the last */
	*r = (struct kv_range){ .kind = KV_MESSAGE,
		.from = message_key_str(&k[0]),
		.to = message_key_str(&k[1]),
		.may_have_gaps = true };
}

static void
block_verify(struct verify_account *a, uint32_t number)
{
	struct message_key keys[DIGEST_COLUMNS], bounds[4];
	struct kv_range ranges[RANGES];
	struct kv_rows *rows = NULL;
	uint64_t bytes = 0;

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		keys[column] = digest_key((enum digest_column)column, number);
		ranges[column] = (struct kv_range){ .kind = KV_POSTING,
			.from = message_key_str(&keys[column]),
			.is_exact = true,
			.may_have_gaps = true };
	}
	range_of(&ranges[AT_SUMMARIES], message_summary_key, number, bounds);
	range_of(&ranges[AT_HEADERS], message_header_key, number, bounds + 2);
	if (kv_load_now(a->v->kv, a->id, ranges, RANGES, &rows) != ERR_OK)
		return;
	block_check(a, number, rows, keys);
	for (size_t i = 0; i < rows->range_count; i++)
		for (size_t j = 0; j < rows->ranges[i].count; j++)
			bytes += rows->ranges[i].rows[j].value.n;
	kv_rows_free(rows);
	verify_pace(a->v, bytes);
}

void
verify_digests(struct verify_account *a)
{
	uint32_t highest = a->has_row ? a->row.next_msgno : 0;

	for (uint32_t number = 0;
	     highest >= STORED_FROM && number <= highest >> BLOCK_BITS && !a->v->is_stopped;
	     number++)
		block_verify(a, number);
}

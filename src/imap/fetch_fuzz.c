/*
 * fetch_fuzz.c - reads a FETCH, a STORE and a SELECT; each section's label must parse back to the
 * same section.
 */
#include "imap/fetch.h"
#include "imap/select.h"
#include "imap/store.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_label(struct arena *a, const struct imap_section *sec)
{
	struct imap_scan s;
	struct imap_fetch again;
	struct str label = sec->label;

	if (sec->has_partial)
		label = arena_printf(a, "%.*s.%llu>", (int)label.n - 1, label.p,
		    (unsigned long long)sec->length);
	imap_scan_init(&s, a, label, false);
	must(imap_fetch_parse(&s, &again) == ERR_OK && again.n_sections == 1);
	must(again.sections[0].kind == sec->kind && again.sections[0].n_path == sec->n_path
	    && again.sections[0].n_fields == sec->n_fields
	    && str_eq(again.sections[0].label, sec->label));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct imap_fetch f;
	struct imap_store st;
	struct imap_select sel;

	imap_scan_init(&s, &a, text, false);
	if (imap_fetch_parse(&s, &f) == ERR_OK) {
		for (size_t i = 0; i < f.n_sections; i++)
			check_label(&a, &f.sections[i]);
	}
	imap_scan_init(&s, &a, text, true);
	if (imap_store_parse(&s, &st) == ERR_OK)
		must((st.flags.system & ~(unsigned)FLAGS_STORABLE) == 0
		    && st.flags.n_keywords <= KEYWORDS_MAX);
	imap_scan_init(&s, &a, text, true);
	if (imap_select_parse(&s, &sel) == ERR_OK && sel.has_seq_match)
		must(rangeset_count(&sel.match_seqs) == rangeset_count(&sel.match_uids));
	imap_select_done(&sel);
	arena_done(&a);
	return 0;
}

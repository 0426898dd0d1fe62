/*
 * notify_fuzz.c - NOTIFY of anything: what is taken keeps the rules of events and mailboxes (RFC
 * 5465 5, 6).
 */
#include "imap/notify.h"

#include "imap/utf7.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_group(const struct notify_group *g, bool *has_selected)
{
	const unsigned both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
	bool is_selected = g->filter == NOTIFY_SELECTED || g->filter == NOTIFY_SELECTED_DELAYED;

	must((g->events & ~(unsigned)NOTIFY_ALL_EVENTS) == 0);
	must((g->events & NOTIFY_MESSAGE_EVENTS) == 0 || (g->events & both) == both);
	must(!is_selected
	    || ((g->events & ~(unsigned)NOTIFY_MESSAGE_EVENTS) == 0 && !*has_selected));
	must(g->name_count == 0 || g->filter == NOTIFY_SUBTREE || g->filter == NOTIFY_MAILBOXES);
	*has_selected = *has_selected || is_selected;
	for (size_t i = 0; i < g->name_count; i++)
		must(g->names[i].n > 0 && g->names[i].n <= MAILBOX_NAME_MAX);
}

static void
check(struct arena *a, struct str text, bool is_utf8, unsigned supported)
{
	bool has_selected = false;
	struct imap_notify n;
	struct imap_scan s;

	imap_scan_init(&s, a, text, is_utf8);
	if (imap_notify_parse(&s, supported, &n) != ERR_OK)
		return;
	must(n.is_set == (n.group_count > 0) && n.group_count <= NOTIFY_GROUPS_MAX);
	for (size_t i = 0; i < n.group_count; i++) {
		must((n.groups[i].events & ~supported) == 0);
		check_group(&n.groups[i], &has_selected);
	}
	must(has_selected || (n.fetch.atts == 0 && n.fetch.n_sections == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;

	check(&a, str_make(data, size), true, NOTIFY_ALL_EVENTS);
	check(&a, str_make(data, size), false,
	    NOTIFY_ALL_EVENTS & ~(unsigned)NOTIFY_ANNOTATION_CHANGE);
	arena_done(&a);
	return 0;
}

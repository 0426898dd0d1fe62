/*
 * frame_fuzz.c - cuts bytes into commands, as a session does, in steps whose size the first byte
 * gives, and reads each command's words. Whatever the steps, the same commands must come out.
 */
#include "imap/framer.h"
#include "imap/scan.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AT_ONCE = 16 * 1024 }; /* more than a session ever holds before it takes commands out */

static const struct imap_framer_limits limits = { .line_max = 200,
	.literal_max = 100,
	.command_max = 400 };

/* Takes words until one is wrong; each function is tried where its first byte may stand. */
static void
read_words(struct str command)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf text = BUF_MAX(10000);
	struct imap_scan s;
	struct str word;
	struct imap_flags flags;
	struct imap_datetime t;
	struct seqset set;
	int32_t day;

	imap_scan_init(&s, &a, command, (command.n & 1) != 0);
	if (imap_scan_tag(&s, &word) && imap_scan_sp(&s) && imap_scan_atom(&s, &word)) {
		while (!imap_scan_is_end(&s) && imap_scan_sp(&s)) {
			struct imap_scan before = s;
			bool is_good;

			if (imap_scan_at(&s, '('))
				is_good = imap_scan_flag_list(&s, &flags);
			else if ((is_good = imap_scan_datetime(&s, &t))
			    || (s = before, is_good = imap_scan_date(&s, &day)))
				;
			else if ((s = before, is_good = imap_scan_mailbox(&s, &word)))
				must(str_is_utf8(word) && word.n > 0);
			else if (!(s = before, is_good = imap_scan_seqset(&s, &set)))
				s = before, is_good = imap_scan_nstring(&s, &word);
			must(is_good == (imap_scan_err(&s) == ERR_OK) && s.at <= s.in.n);
			if (!is_good)
				break;
		}
	}
	imap_scan_error(&s, &text);
	must(str_is_ascii(buf_str(&text)));
	arena_done(&a);
}

/* Adds up what came out: number of commands and their bytes. */
static uint64_t
run(struct str input, size_t step, bool reads)
{
	BUF_CLEAN struct buf have = BUF_MAX(1 << 20);
	struct imap_framer f;
	bool is_discarding = false;
	uint64_t sum = 0;

	imap_framer_init(&f, &limits);
	for (size_t fed = 0, n; fed < input.n; fed += n) {
		bool is_more = false;

		n = MIN(step, input.n - fed);
		buf_add(&have, input.p + fed, n);
		while (!is_more) {
			struct imap_frame frame = imap_framer_next(&f, buf_str(&have));

			must(frame.length <= have.n && frame.text_length <= frame.length);
			switch (frame.kind) {
			case IMAP_FRAME_MORE:
				must(have.n <= limits.command_max + 200);
				is_more = true;
				break;
			case IMAP_FRAME_COMMAND:
				sum = (sum + 1) * 31 + (is_discarding ? 0 : frame.text_length);
				if (reads && !is_discarding)
					read_words(str_make(have.p, frame.text_length));
				buf_consume(&have, frame.length);
				imap_framer_reset(&f);
				is_discarding = false;
				break;
			case IMAP_FRAME_LITERAL:
				if (!frame.is_over) {
					imap_framer_take(&f);
				} else if (frame.is_sync) {
					buf_consume(&have, frame.length);
					imap_framer_reset(&f);
				} else {
					imap_framer_discard(&f);
					is_discarding = true;
				}
				break;
			case IMAP_FRAME_TOO_LONG:
				imap_framer_discard(&f);
				is_discarding = true;
				break;
			case IMAP_FRAME_DROP:
				must(is_discarding && frame.length > 0);
				buf_consume(&have, frame.length);
				break;
			}
		}
	}
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_make(data, size);
	uint64_t at_once = run(input, AT_ONCE, true);

	must(run(input, size == 0 ? 1 : data[0] % 64 + 1, false) == at_once);
	return 0;
}

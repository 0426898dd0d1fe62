/* mailbag.c - what the readers share. */
#include "ctl/mailbag.h"

#include "imap/flags.h"
#include "mime/date.h"
#include "mime/header.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct str
mail_file_map(const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		.resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat st;
	void *p;

	if (fd < 0 && errno == ENOSYS) /* before Linux 5.6 */
		fd = open(path, (int)how.flags);

	if (fd < 0 || fstat(fd, &st) != 0) {
		ctl_fail("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return STR_NONE;
	}
	if (st.st_size == 0) {
		close(fd);
		return STR("");
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		ctl_fail("%s: %s", path, strerror(errno));
		return STR_NONE;
	}
	return str_make(p, (size_t)st.st_size);
}

void
mail_file_unmap(struct str bytes)
{
	if (bytes.n > 0)
		munmap((void *)bytes.p, bytes.n);
}

void
mail_item_keyword(struct mail_item *item, struct str keyword)
{
	if (item->keyword_count < KEYWORDS_MAX && imap_flags_is_keyword(keyword))
		item->keywords[item->keyword_count++] = keyword;
}

void
mail_item_date_from_header(struct mail_item *item)
{
	struct mime_field f;
	struct mime_date d;

	if (!mime_header_find(item->bytes, STR("Date"), &f)
	    || mime_date_parse(f.value, &d) != ERR_OK)
		return;
	item->has_date = true;
	item->date_s = d.utc_ms / 1000;
	item->zone_min = d.zone_minutes;
}

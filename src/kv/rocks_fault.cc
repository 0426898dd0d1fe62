// rocks_fault.cc - see rocks_fault.h.
#include "kv/rocks_fault.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

std::string
file_read(const std::string &path)
{
	std::string out;
	char piece[65536];
	int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return out;
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		out.append(piece, (size_t)n);
	close(fd);
	return out;
}

void
file_write(const std::string &path, const std::string &data)
{
	int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (size_t at = 0; fd >= 0 && at < data.size();) {
		ssize_t n = write(fd, data.data() + at, data.size() - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
}

// What is known of a file: bytes before `synced` are safe; the others may be what `old` has there, or nothing.
struct FileState {
	uint64_t size = 0, synced = 0, room = 0;
	std::string old;
};

// A change of the directory that is not synced, with what undoes it.
struct NameChange {
	enum { CREATED, RENAMED, DELETED } kind;
	std::string from, to;
	bool had_to = false;
	std::string old;	// of `to` before a rename, of `from` before a deletion
};

class FaultFs;

class FaultFile : public rocksdb::FSWritableFileOwnerWrapper
{
public:
	FaultFile(std::unique_ptr<rocksdb::FSWritableFile> &&file, FaultFs *fs, std::shared_ptr<FileState> state)
	    : FSWritableFileOwnerWrapper(std::move(file)), fs_(fs), state_(std::move(state)) {}

	IOStatus Append(const Slice &data, const IOOptions &o, IODebugContext *d) override;
	IOStatus Append(const Slice &data, const IOOptions &o, const rocksdb::DataVerificationInfo &, IODebugContext *d) override
	{
		return Append(data, o, d);
	}
	IOStatus Truncate(uint64_t size, const IOOptions &o, IODebugContext *d) override;
	IOStatus Sync(const IOOptions &o, IODebugContext *d) override;
	IOStatus Fsync(const IOOptions &o, IODebugContext *d) override { return Sync(o, d); }
	IOStatus RangeSync(uint64_t, uint64_t, const IOOptions &, IODebugContext *) override { return IOStatus::OK(); }
	bool IsSyncThreadSafe() const override { return true; }

private:
	FaultFs *fs_;
	std::shared_ptr<FileState> state_;
};

// Zeros behind a log's end. Once synced they are what is there when data on top of them is lost.
class FaultRoom : public rocksdb::FSRandomRWFileOwnerWrapper
{
public:
	FaultRoom(std::unique_ptr<rocksdb::FSRandomRWFile> &&file, FaultFs *fs, std::shared_ptr<FileState> state)
	    : FSRandomRWFileOwnerWrapper(std::move(file)), fs_(fs), state_(std::move(state)) {}

	IOStatus Write(uint64_t offset, const Slice &data, const IOOptions &o, IODebugContext *d) override;

private:
	FaultFs *fs_;
	std::shared_ptr<FileState> state_;
};

class FaultDirectory : public rocksdb::FSDirectoryWrapper
{
public:
	FaultDirectory(std::unique_ptr<rocksdb::FSDirectory> &&dir, FaultFs *fs) : FSDirectoryWrapper(std::move(dir)), fs_(fs) {}
	IOStatus Fsync(const IOOptions &, IODebugContext *) override;
	IOStatus FsyncWithDirOptions(const IOOptions &o, IODebugContext *d, const rocksdb::DirFsyncOptions &) override
	{
		return Fsync(o, d);
	}

private:
	FaultFs *fs_;
};

class FaultFs : public rocksdb::FileSystemWrapper
{
public:
	FaultFs() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
	static const char *kClassName() { return "PosthornFaultFs"; }
	const char *Name() const override { return kClassName(); }

	static bool is_log(const std::string &name) { return name.size() > 4 && name.compare(name.size() - 4, 4, ".log") == 0; }

	// One more operation; an error when it is the one, or behind it.
	IOStatus
	operation()
	{
		operations++;
		if (fail_at != 0 && (operations == fail_at || (for_good && operations > fail_at))) {
			has_failed = true;
			return IOStatus::IOError("made to fail");
		}
		return IOStatus::OK();
	}

	IOStatus
	NewWritableFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out,
	    IODebugContext *d) override
	{
		std::lock_guard<std::mutex> guard(lock);
		std::unique_ptr<rocksdb::FSWritableFile> file;
		IOStatus s = operation();

		if (s.ok())
			s = target()->NewWritableFile(name, o, &file, d);
		if (!s.ok())
			return s;
		if (is_log(name))
			for (const auto &f : files)
				loose_logs += is_log(f.first) && f.second->synced < f.second->size;
		note_new(name);
		out->reset(new FaultFile(std::move(file), this, files[name]));
		return s;
	}

	IOStatus
	NewRandomRWFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSRandomRWFile> *out,
	    IODebugContext *d) override
	{
		std::lock_guard<std::mutex> guard(lock);
		std::unique_ptr<rocksdb::FSRandomRWFile> file;
		IOStatus s = operation();

		if (s.ok())
			s = target()->NewRandomRWFile(name, o, &file, d);
		if (s.ok())
			out->reset(new FaultRoom(std::move(file), this, files[name]));
		return s;
	}

	// What is there already counts as it was known, or as synced when it was not.
	IOStatus
	ReopenWritableFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out,
	    IODebugContext *d) override
	{
		std::lock_guard<std::mutex> guard(lock);
		std::unique_ptr<rocksdb::FSWritableFile> file;
		IOStatus s = operation();

		if (s.ok())
			s = target()->ReopenWritableFile(name, o, &file, d);
		if (!s.ok())
			return s;
		if (files.count(name) == 0) {
			files[name] = std::make_shared<FileState>();
			files[name]->size = files[name]->synced = file_read(name).size();
		}
		out->reset(new FaultFile(std::move(file), this, files[name]));
		return s;
	}

	IOStatus
	ReuseWritableFile(const std::string &name, const std::string &old_name, const FileOptions &o,
	    std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *d) override
	{
		std::lock_guard<std::mutex> guard(lock);
		std::unique_ptr<rocksdb::FSWritableFile> file;
		IOStatus s = operation();
		std::string old;

		if (!s.ok())
			return s;
		old = file_read(old_name);
		s = target()->ReuseWritableFile(name, old_name, o, &file, d);
		if (!s.ok())
			return s;
		note_rename(old_name, name, false, "");
		files[name] = std::make_shared<FileState>();
		files[name]->old = old;
		out->reset(new FaultFile(std::move(file), this, files[name]));
		return s;
	}

	IOStatus
	NewDirectory(const std::string &name, const IOOptions &o, std::unique_ptr<rocksdb::FSDirectory> *out,
	    IODebugContext *d) override
	{
		std::unique_ptr<rocksdb::FSDirectory> dir;
		IOStatus s = target()->NewDirectory(name, o, &dir, d);

		if (s.ok())
			out->reset(new FaultDirectory(std::move(dir), this));
		return s;
	}

	IOStatus
	RenameFile(const std::string &from, const std::string &to, const IOOptions &o, IODebugContext *d) override
	{
		std::lock_guard<std::mutex> guard(lock);
		bool had_to = access(to.c_str(), F_OK) == 0;
		std::string old = had_to ? file_read(to) : "";
		IOStatus s = operation();

		if (s.ok())
			s = target()->RenameFile(from, to, o, d);
		if (s.ok())
			note_rename(from, to, had_to, old);
		return s;
	}

	IOStatus
	DeleteFile(const std::string &name, const IOOptions &o, IODebugContext *d) override
	{
		std::lock_guard<std::mutex> guard(lock);
		IOStatus s = operation();
		NameChange c;

		if (!s.ok())
			return s;
		c.kind = NameChange::DELETED;
		c.from = name;
		c.old = file_read(name);
		s = target()->DeleteFile(name, o, d);
		if (s.ok()) {
			changes.push_back(c);
			files.erase(name);
		}
		return s;
	}

	void cut(enum rocks_loss loss, uint64_t seed);

	std::mutex lock;
	uint64_t operations = 0, fail_at = 0, loose_logs = 0;
	bool for_good = false, has_failed = false;
	std::map<std::string, std::shared_ptr<FileState>> files;
	std::vector<NameChange> changes;

private:
	void
	note_new(const std::string &name)
	{
		NameChange c;

		c.kind = NameChange::CREATED;
		c.from = name;
		changes.push_back(c);
		files[name] = std::make_shared<FileState>();
	}

	void
	note_rename(const std::string &from, const std::string &to, bool had_to, const std::string &old)
	{
		NameChange c;

		c.kind = NameChange::RENAMED;
		c.from = from;
		c.to = to;
		c.had_to = had_to;
		c.old = old;
		changes.push_back(c);
		if (files.count(from) != 0) {
			files[to] = files[from];
			files.erase(from);
		} else {
			files.erase(to);
		}
	}

	uint64_t
	random(uint64_t n)
	{
		random_ += 0x9E3779B97F4A7C15u;
		uint64_t v = random_;
		v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9u;
		v = (v ^ v >> 27) * 0x94D049BB133111EBu;
		return (v ^ v >> 31) % n;
	}

	void names_lose(enum rocks_loss loss);
	void file_lose(const std::string &name, const FileState &state, enum rocks_loss loss);

	uint64_t random_ = 0;
};

IOStatus
FaultFile::Append(const Slice &data, const IOOptions &o, IODebugContext *d)
{
	std::lock_guard<std::mutex> guard(fs_->lock);
	IOStatus s = fs_->operation();

	if (s.ok())
		s = target()->Append(data, o, d);
	if (s.ok())
		state_->size += data.size();
	return s;
}

IOStatus
FaultRoom::Write(uint64_t offset, const Slice &data, const IOOptions &o, IODebugContext *d)
{
	std::lock_guard<std::mutex> guard(fs_->lock);
	IOStatus s = fs_->operation();

	if (s.ok())
		s = target()->Write(offset, data, o, d);
	if (s.ok())
		state_->room = offset + data.size();
	return s;
}

IOStatus
FaultFile::Truncate(uint64_t size, const IOOptions &o, IODebugContext *d)
{
	std::lock_guard<std::mutex> guard(fs_->lock);
	IOStatus s = fs_->operation();

	if (s.ok())
		s = target()->Truncate(size, o, d);
	if (s.ok()) {
		state_->size = size;
		state_->synced = std::min(state_->synced, size);
	}
	return s;
}

IOStatus
FaultFile::Sync(const IOOptions &o, IODebugContext *d)
{
	std::lock_guard<std::mutex> guard(fs_->lock);
	IOStatus s = fs_->operation();

	if (s.ok())
		s = target()->Flush(o, d);
	if (s.ok()) {
		state_->synced = state_->size;
		if (state_->room > state_->old.size())
			state_->old.resize(state_->room, '\0');
	}
	return s;
}

IOStatus
FaultDirectory::Fsync(const IOOptions &, IODebugContext *)
{
	std::lock_guard<std::mutex> guard(fs_->lock);
	IOStatus s = fs_->operation();

	if (s.ok())
		fs_->changes.clear();
	return s;
}

// Names change in order, as a journal has them: the first few not synced ones have happened, the others have not.
void
FaultFs::names_lose(enum rocks_loss loss)
{
	size_t kept = loss == LOSS_NONE ? changes.size() : loss == LOSS_ALL ? 0 : random(changes.size() + 1);

	while (changes.size() > kept) {
		NameChange c = changes.back();

		changes.pop_back();
		switch (c.kind) {
		case NameChange::CREATED:
			unlink(c.from.c_str());
			files.erase(c.from);
			break;
		case NameChange::RENAMED:
			rename(c.to.c_str(), c.from.c_str());
			if (files.count(c.to) != 0)
				files[c.from] = files[c.to];
			files.erase(c.to);
			if (c.had_to)
				file_write(c.to, c.old);
			break;
		case NameChange::DELETED:
			file_write(c.from, c.old);
			break;
		}
	}
	changes.clear();
}

void
FaultFs::file_lose(const std::string &name, const FileState &state, enum rocks_loss loss)
{
	std::string now = file_read(name), after = now.substr(0, state.synced);
	uint64_t unit = loss == LOSS_PAGES ? 4096 : 512;
	uint64_t size = std::min<uint64_t>(state.size, now.size());
	uint64_t tail = size;

	if (loss == LOSS_NONE || state.synced >= size)
		return;
	if (loss == LOSS_TAIL)
		tail = state.synced + random(size - state.synced + 1) / unit * unit;
	for (uint64_t at = state.synced; at < size;) {
		uint64_t end = std::min(size, (at / unit + 1) * unit);
		bool is_kept = loss == LOSS_ALL ? false : loss == LOSS_TAIL ? end <= tail : random(2) == 0;

		if (is_kept) {
			after.resize(at, '\0');
			after.append(now, at, end - at);
		} else if (at < state.old.size()) {
			after.resize(at, '\0');
			after.append(state.old, at, end - at);
		}
		at = end;
	}
	if (state.old.size() > after.size())
		after.append(state.old, after.size(), std::string::npos);
	file_write(name, after);
}

void
FaultFs::cut(enum rocks_loss loss, uint64_t seed)
{
	std::lock_guard<std::mutex> guard(lock);

	random_ = seed;
	names_lose(loss);
	for (const auto &f : files)
		if (access(f.first.c_str(), F_OK) == 0)
			file_lose(f.first, *f.second, loss);
	files.clear();
	fail_at = 0;
	has_failed = false;
}

// RocksDB sleeps a second when work in the background fails; here nothing gets better by waiting.
class HastyClock : public rocksdb::SystemClockWrapper
{
public:
	HastyClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
	const char *Name() const override { return "PosthornHastyClock"; }
	void SleepForMicroseconds(int us) override { target_->SleepForMicroseconds(std::min(us, 100)); }
};

class FaultEnv : public rocksdb::EnvWrapper
{
public:
	explicit FaultEnv(const std::shared_ptr<FaultFs> &fs) : EnvWrapper(rocksdb::Env::Default())
	{
		file_system_ = fs;
		system_clock_ = std::make_shared<HastyClock>();
	}
	static const char *kClassName() { return "PosthornFaultEnv"; }
	const char *Name() const override { return kClassName(); }
};

} // namespace

struct rocks_fault {
	std::shared_ptr<FaultFs> fs;
	std::unique_ptr<rocksdb::Env> env;
};

struct rocks_fault *
rocks_fault_new(void)
{
	rocks_fault *f = new rocks_fault;

	f->fs = std::make_shared<FaultFs>();
	f->env = std::make_unique<FaultEnv>(f->fs);
	return f;
}

void
rocks_fault_free(struct rocks_fault *f)
{
	delete f;
}

void *
rocks_fault_env(struct rocks_fault *f)
{
	return f->env.get();
}

uint64_t
rocks_fault_operations(const struct rocks_fault *f)
{
	std::lock_guard<std::mutex> guard(f->fs->lock);

	return f->fs->operations;
}

void
rocks_fault_fail_at(struct rocks_fault *f, uint64_t n, bool for_good)
{
	std::lock_guard<std::mutex> guard(f->fs->lock);

	f->fs->fail_at = n == 0 ? 0 : f->fs->operations + n;
	f->fs->for_good = for_good;
	f->fs->has_failed = false;
}

uint64_t
rocks_fault_loose_logs(const struct rocks_fault *f)
{
	std::lock_guard<std::mutex> guard(f->fs->lock);

	return f->fs->loose_logs;
}

bool
rocks_fault_has_failed(const struct rocks_fault *f)
{
	std::lock_guard<std::mutex> guard(f->fs->lock);

	return f->fs->has_failed;
}

void
rocks_fault_cut(struct rocks_fault *f, enum rocks_loss loss, uint64_t seed)
{
	f->fs->cut(loss, seed);
}

// rocks_env.cc - the file system that RocksDB writes through: after the first write or sync that fails it writes no more, and what the
// newest log is called is noted, and what has been synced.
//
// What the kernel did with the pages of a failed sync can't be known, so nothing may be built on it. But RocksDB has threads, and the
// error that one got does not stop another at once: a flush could still enter a table into the manifest whose log was not synced, and
// after a power cut the store, ahead of its own log, was refused. So the first failure is the last thing that happens to the files, as
// if the power had gone there: and from a power cut at any operation a store comes back.
//
// Deletions are let through, and may fail: only what nobody needs any more is deleted, and what is left over RocksDB deletes later.
//
// A log that is not there looks as if it had never been. So each is noted when it begins, in a file of its own (rocks_wal.c), and before
// anything is written to it: two syncs for some 48 MB of log, none for a commit. How far logs and lists of files are synced is told to the
// marks (rocks_mark.c), and a log is deleted only when no mark names it.
//
// A log is synced to its end before the next one begins: what a power cut took from it would look like its end, and what is in the next
// one would be taken to follow.
//
// A table that is opened for reading is looked at first (rocks_table.c): RocksDB trusts parts of it that may be damaged.
//
// Behind what is in a log zeros are written, a piece at a time. A sync of blocks that were never written has to wait for the file system's
// own books too, in which the first write of each is a change of the file; one of blocks that were takes half the time and half the
// processor. Zeros are what readers of a log find behind its end anyway, in room that was only reserved.
#include "kv/number_line.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_mark.h"
#include "kv/rocks_table.h"
#include "kv/rocks_wal.h"
#include "kv/rocks_work.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr size_t LOG_ROOM_BYTES = 256 * 1024;

class EnvFile;

// Shared by the file system and its files: have writes failed?
class Brake
{
public:
	Brake(const char *dir, struct rocks_marks *marks, void (*on_error)(void *ctx, const char *text), void *ctx)
	    : dir_(dir), marks_(marks), on_error_(on_error), ctx_(ctx) {}

	// A file of the store itself. A checkpoint is in a folder of its own, and nothing is built on it.
	bool
	is_for(const std::string &name) const
	{
		return name.compare(0, dir_.size(), dir_) == 0 && name.find_last_of('/') == dir_.size();
	}

	// What a file of the store is called in its folder.
	static const char *base(const std::string &name) { return name.c_str() + name.find_last_of('/') + 1; }

	struct rocks_marks *marks() const { return marks_; }

	void
	log_begins(uint64_t number, EnvFile *file)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		newest_log_ = number;
		newest_bytes_ = 0;
		newest_file_ = file;
	}

	void
	log_ends(const EnvFile *file)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		if (newest_file_ == file)
			newest_file_ = nullptr;
	}

	// The log that is being written; NULL: none is.
	EnvFile *
	log_now()
	{
		std::lock_guard<std::mutex> held(log_lock_);

		return newest_file_;
	}

	bool
	is_log_over(uint64_t number)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		return newest_log_ > number;
	}

	void
	log_reaches(uint64_t number, uint64_t bytes)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		if (number == newest_log_)
			newest_bytes_ = bytes;
	}

	// How much of a file of that size is there to be copied: the log that is being written ends before the room behind it.
	uint64_t
	end_of(uint64_t number, uint64_t size)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		return number != 0 && number == newest_log_ && newest_bytes_ < size ? newest_bytes_ : size;
	}

	bool is_for_dir(const std::string &name) const { return name == dir_ || name == dir_ + "/"; }

	// Does it, unless something has failed before. What a file system does not offer is no failure.
	template <class Operation>
	IOStatus
	operator()(Operation operation)
	{
		if (has_failed_.load(std::memory_order_acquire))
			return IOStatus::IOError("an earlier write failed");
		IOStatus s = operation();
		if (!s.ok() && !s.IsNotSupported()) {
			// In this order: what is refused because of it finds the engine failed.
			if (!has_failed_.load(std::memory_order_acquire))
				on_error_(ctx_, s.ToString().c_str());
			has_failed_.store(true, std::memory_order_release);
		}
		return s;
	}

private:
	std::atomic<bool> has_failed_{ false };
	std::mutex log_lock_;
	uint64_t newest_log_ = 0, newest_bytes_ = 0;
	EnvFile *newest_file_ = nullptr;
	const std::string dir_;
	struct rocks_marks *const marks_;
	void (*const on_error_)(void *ctx, const char *text);
	void *const ctx_;
};

class EnvFile : public rocksdb::FSWritableFileOwnerWrapper
{
public:
	EnvFile(std::unique_ptr<rocksdb::FSWritableFile> &&file, const std::string &name, std::shared_ptr<Brake> brake)
	    : FSWritableFileOwnerWrapper(std::move(file)), list_(rocks_list_number(Brake::base(name))),
	      log_(rocks_log_number(Brake::base(name))), brake_(std::move(brake)) {}

	IOStatus
	Append(const Slice &data, const IOOptions &o, IODebugContext *d) override
	{
		return counted(data, (*brake_)([&] { return target()->Append(data, o, d); }));
	}

	IOStatus
	Append(const Slice &data, const IOOptions &o, const rocksdb::DataVerificationInfo &v, IODebugContext *d) override
	{
		return counted(data, (*brake_)([&] { return target()->Append(data, o, v, d); }));
	}

	IOStatus
	PositionedAppend(const Slice &data, uint64_t at, const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->PositionedAppend(data, at, o, d); });
	}

	IOStatus
	PositionedAppend(const Slice &data, uint64_t at, const IOOptions &o, const rocksdb::DataVerificationInfo &v,
	    IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->PositionedAppend(data, at, o, v, d); });
	}

	IOStatus
	Truncate(uint64_t size, const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->Truncate(size, o, d); });
	}

	IOStatus
	Flush(const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->Flush(o, d); });
	}

	IOStatus
	Sync(const IOOptions &o, IODebugContext *d) override
	{
		return synced([&] { return target()->Sync(o, d); });
	}

	IOStatus
	Fsync(const IOOptions &o, IODebugContext *d) override
	{
		return synced([&] { return target()->Fsync(o, d); });
	}

	IOStatus
	RangeSync(uint64_t from, uint64_t bytes, const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->RangeSync(from, bytes, o, d); });
	}

	bool is_synced() const { return synced_bytes_.load() == bytes_.load(); }

private:
	IOStatus
	counted(const Slice &data, IOStatus s)
	{
		if (s.ok())
			bytes_.fetch_add(data.size());
		return s;
	}

	template <class Operation>
	IOStatus
	synced(Operation operation)
	{
		bool is_over = log_ != 0 && brake_->is_log_over(log_);
		uint64_t bytes = bytes_.load();
		IOStatus s = (*brake_)(operation);

		// A flush waits for the committer's sync of a log that is over, and when that failed RocksDB's next one would end the process by an
		// assertion. Nobody is told anything wrong: what was to be written since is in a newer log, and that is not written any more.
		if (!s.ok() && is_over)
			return IOStatus::OK();

		if (s.ok())
			synced_bytes_.store(bytes);
		if (s.ok() && log_ != 0)
			rocks_marks_log(brake_->marks(), log_, bytes);
		if (s.ok() && list_ != 0)
			rocks_marks_list(brake_->marks(), list_, bytes);
		return s;
	}

	const uint64_t list_; // its number; 0: it is none
	std::atomic<uint64_t> bytes_{ 0 }, synced_bytes_{ 0 };

protected:
	const uint64_t log_; // the same
	const std::shared_ptr<Brake> brake_;
};

// A log, with room made ahead. What is not small goes through it without, for then the journal is the smaller part.
class EnvLog : public EnvFile
{
public:
	EnvLog(std::unique_ptr<rocksdb::FSWritableFile> &&file, const std::string &name, std::shared_ptr<Brake> brake,
	    std::unique_ptr<rocksdb::FSRandomRWFile> &&room)
	    : EnvFile(std::move(file), name, std::move(brake)), room_(std::move(room))
	{
		brake_->log_begins(log_, this);
	}

	~EnvLog() override { brake_->log_ends(this); }

	IOStatus
	Append(const Slice &data, const IOOptions &o, IODebugContext *d) override
	{
		return appended(EnvFile::Append(data, o, d), data.size());
	}

	IOStatus
	Append(const Slice &data, const IOOptions &o, const rocksdb::DataVerificationInfo &v, IODebugContext *d) override
	{
		return appended(EnvFile::Append(data, o, v, d), data.size());
	}

private:
	IOStatus
	appended(IOStatus s, size_t n)
	{
		static const char zeros[LOG_ROOM_BYTES] = {};

		const bool is_small = n <= LOG_ROOM_BYTES / 4;

		if (s.ok() && is_small)
			s = RangeSync(size_, n, IOOptions(), nullptr); // the disk begins, the sync is to come
		size_ += n;
		brake_->log_reaches(log_, size_);
		if (!s.ok() || size_ < room_end_ || !is_small || room_ == nullptr)
			return s;
		// Nothing is lost where this fails: the log goes on without room.
		if (room_->Write(size_, Slice(zeros, sizeof(zeros)), IOOptions(), nullptr).ok())
			room_end_ = size_ + sizeof(zeros);
		else
			room_.reset();
		return s;
	}

	std::unique_ptr<rocksdb::FSRandomRWFile> room_;
	uint64_t size_ = 0, room_end_ = 0;
};

class Table
{
public:
	Table(rocksdb::FSRandomAccessFile *file, IODebugContext *d) : file_(file), d_(d) {}

	// Not ok: it can't be read, or its end is damaged.
	IOStatus
	look(const std::string &name, uint64_t bytes)
	{
		const char *wrong = rocks_table_look(read, this, bytes);

		return wrong == nullptr || !s_.ok() ? s_ : IOStatus::Corruption(name, wrong);
	}

private:
	static bool
	read(void *ctx, uint64_t offset, void *p, size_t n)
	{
		auto self = static_cast<Table *>(ctx);
		Slice got;

		self->s_ = self->file_->Read(offset, n, IOOptions(), &got, static_cast<char *>(p), self->d_);
		if (!self->s_.ok() || got.size() != n)
			return false;
		if (got.data() != p)
			memcpy(p, got.data(), n);
		return true;
	}

	rocksdb::FSRandomAccessFile *const file_;
	IODebugContext *const d_;
	IOStatus s_;
};

class EnvDirectory : public rocksdb::FSDirectoryWrapper
{
public:
	EnvDirectory(std::unique_ptr<rocksdb::FSDirectory> &&dir, std::shared_ptr<Brake> brake)
	    : FSDirectoryWrapper(dir.get()), dir_(std::move(dir)), brake_(std::move(brake)) {}

	IOStatus
	Fsync(const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return dir_->Fsync(o, d); });
	}

	IOStatus
	FsyncWithDirOptions(const IOOptions &o, IODebugContext *d, const rocksdb::DirFsyncOptions &why) override
	{
		return (*brake_)([&] { return dir_->FsyncWithDirOptions(o, d, why); });
	}

private:
	const std::unique_ptr<rocksdb::FSDirectory> dir_;
	const std::shared_ptr<Brake> brake_;
};

class EnvFs : public rocksdb::FileSystemWrapper
{
public:
	EnvFs(const std::shared_ptr<rocksdb::FileSystem> &base, std::shared_ptr<Brake> brake)
	    : FileSystemWrapper(base), brake_(std::move(brake)) {}
	static const char *kClassName() { return "PosthornFs"; }
	const char *Name() const override { return kClassName(); }

	IOStatus
	NewWritableFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out,
	    IODebugContext *d) override
	{
		uint64_t number = brake_->is_for(name) ? rocks_log_number(Brake::base(name)) : 0;

		if (number == 0)
			return file(name, out, [&](auto *made) { return target()->NewWritableFile(name, o, made, d); });
		IOStatus s = log(name, o, out, d);

		return s.ok() ? note(name.substr(0, name.find_last_of('/')), number) : s;
	}

	// The newest log; 0: all that the logs hold is in tables too. Behind it the log's own name is on the disk, and only then the note.
	IOStatus
	note(const std::string &dir, uint64_t number)
	{
		std::unique_ptr<rocksdb::FSDirectory> names;
		std::unique_ptr<rocksdb::FSWritableFile> file;
		char text[NUMBER_LINE_BYTES];
		IOStatus s = NewDirectory(dir, IOOptions(), &names, nullptr);

		if (s.ok())
			s = names->Fsync(IOOptions(), nullptr);
		if (s.ok())
			s = NewWritableFile(dir + "/" LOG_NOTE_NAME, FileOptions(), &file, nullptr);
		if (s.ok())
			s = file->Append(Slice(text, number_line_format(number, text)), IOOptions(), nullptr);
		if (s.ok())
			s = file->Sync(IOOptions(), nullptr);
		if (s.ok())
			s = file->Close(IOOptions(), nullptr);
		return s;
	}

	IOStatus
	ReopenWritableFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out,
	    IODebugContext *d) override
	{
		return file(name, out, [&](auto *made) { return target()->ReopenWritableFile(name, o, made, d); });
	}

	IOStatus
	ReuseWritableFile(const std::string &name, const std::string &old, const FileOptions &o,
	    std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *d) override
	{
		return file(name, out, [&](auto *made) { return target()->ReuseWritableFile(name, old, o, made, d); });
	}

	IOStatus
	NewDirectory(const std::string &name, const IOOptions &o, std::unique_ptr<rocksdb::FSDirectory> *out, IODebugContext *d) override
	{
		std::unique_ptr<rocksdb::FSDirectory> dir;
		IOStatus s = target()->NewDirectory(name, o, &dir, d);

		if (!s.ok())
			return s;
		if (brake_->is_for_dir(name))
			out->reset(new EnvDirectory(std::move(dir), brake_));
		else
			*out = std::move(dir);
		return s;
	}

	IOStatus
	NewRandomAccessFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSRandomAccessFile> *out,
	    IODebugContext *d) override
	{
		static const char end[] = ".sst";
		uint64_t bytes = 0;
		IOStatus s = target()->NewRandomAccessFile(name, o, out, d);

		if (!s.ok() || name.size() < sizeof(end) || name.compare(name.size() - strlen(end), std::string::npos, end) != 0)
			return s;
		s = target()->GetFileSize(name, IOOptions(), &bytes, d);
		if (s.ok())
			s = Table(out->get(), d).look(name, bytes);
		if (!s.ok())
			out->reset();
		return s;
	}

	// A checkpoint copies as much of the newest log as this says, while it is being written. Up to where it is written the bytes stay as
	// they are; in the room behind it, changes could come into the copy without those before them.
	IOStatus
	GetFileSize(const std::string &name, const IOOptions &o, uint64_t *size, IODebugContext *d) override
	{
		IOStatus s = target()->GetFileSize(name, o, size, d);

		if (s.ok() && brake_->is_for(name))
			*size = brake_->end_of(rocks_log_number(Brake::base(name)), *size);
		return s;
	}

	IOStatus
	DeleteFile(const std::string &name, const IOOptions &o, IODebugContext *d) override
	{
		return may_delete(name) ? target()->DeleteFile(name, o, d) : IOStatus::IOError("a mark names it");
	}

	bool
	may_delete(const std::string &name) const
	{
		uint64_t number = brake_->is_for(name) ? rocks_log_number(Brake::base(name)) : 0;

		return number == 0 || rocks_marks_log_gone(brake_->marks(), number);
	}

	IOStatus
	RenameFile(const std::string &from, const std::string &to, const IOOptions &o, IODebugContext *d) override
	{
		// CURRENT, by which a new manifest counts. Options may fail to be noted, and a checkpoint is a folder that is renamed.
		if (!brake_->is_for(to) || to.compare(to.find_last_of('/') + 1, std::string::npos, "CURRENT") != 0)
			return target()->RenameFile(from, to, o, d);
		return (*brake_)([&] { return target()->RenameFile(from, to, o, d); });
	}

private:
	IOStatus
	log(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *d)
	{
		std::unique_ptr<rocksdb::FSWritableFile> made;
		std::unique_ptr<rocksdb::FSRandomRWFile> room;
		EnvFile *last = brake_->log_now();
		IOStatus s;

		if (last != nullptr && !last->is_synced())
			s = last->Sync(IOOptions(), d);
		if (s.ok())
			s = (*brake_)([&] { return target()->NewWritableFile(name, o, &made, d); });
		if (!s.ok())
			return s;
		if (!target()->NewRandomRWFile(name, o, &room, d).ok())
			room.reset();
		out->reset(new EnvLog(std::move(made), name, brake_, std::move(room)));
		return s;
	}

	template <class Make>
	IOStatus
	file(const std::string &name, std::unique_ptr<rocksdb::FSWritableFile> *out, Make make)
	{
		std::unique_ptr<rocksdb::FSWritableFile> made;

		if (!brake_->is_for(name))
			return make(out);
		IOStatus s = (*brake_)([&] { return make(&made); });

		if (s.ok())
			out->reset(new EnvFile(std::move(made), name, brake_));
		return s;
	}

	const std::shared_ptr<Brake> brake_;
};

class BrakingEnv : public rocksdb::EnvWrapper
{
public:
	BrakingEnv(rocksdb::Env *base, std::shared_ptr<Brake> brake) : EnvWrapper(base)
	{
		file_system_ = std::make_shared<EnvFs>(base->GetFileSystem(), std::move(brake));
		system_clock_ = base->GetSystemClock();
	}

	rocksdb::Status
	GetFileSize(const std::string &name, uint64_t *size) override
	{
		return file_system_->GetFileSize(name, IOOptions(), size, nullptr);
	}

	rocksdb::Status
	DeleteFile(const std::string &name) override
	{
		return file_system_->DeleteFile(name, IOOptions(), nullptr);
	}

	void
	Schedule(void (*run)(void *arg), void *arg, Priority priority, void *tag, void (*drop)(void *arg)) override
	{
		if (priority == Priority::LOW)
			return work_.schedule(target(), run, arg, tag, drop);
		if (priority == Priority::HIGH)
			work_.flush_begins();
		target()->Schedule(run, arg, priority, tag, drop);
	}

	static const char *kClassName() { return "PosthornEnv"; }
	const char *Name() const override { return kClassName(); }

	RocksWork *work() { return &work_; }

private:
	RocksWork work_;
};

BrakingEnv *
env_of(void *env)
{
	return static_cast<BrakingEnv *>(static_cast<rocksdb::Env *>(env));
}

} // namespace

void *
rocks_env_new(void *base, const char *dir, struct rocks_marks *marks, void (*on_error)(void *ctx, const char *text), void *ctx)
{
	rocksdb::Env *env = base != nullptr ? static_cast<rocksdb::Env *>(base) : rocksdb::Env::Default();

	return static_cast<rocksdb::Env *>(new BrakingEnv(env, std::make_shared<Brake>(dir, marks, on_error, ctx)));
}

void
rocks_env_note_flushed(void *env, const char *dir, char **errptr)
{
	IOStatus s = static_cast<EnvFs *>(static_cast<rocksdb::Env *>(env)->GetFileSystem().get())->note(dir, 0);

	if (!s.ok())
		*errptr = strdup(s.ToString().c_str());
}

void
rocks_env_reading(void *env, int64_t until_us)
{
	env_of(env)->work()->reading(until_us);
}

void
rocks_env_begin(void *env)
{
	env_of(env)->work()->begin();
}

void
rocks_env_stalled(void *env, bool is_stalled)
{
	env_of(env)->work()->set_stalled(is_stalled);
}

void
rocks_env_hurry(void *env, bool is_hurried)
{
	env_of(env)->work()->set_hurried(is_hurried);
}

uint64_t
rocks_env_outwaited(void *env)
{
	return env_of(env)->work()->outwaited();
}

void
rocks_env_free(void *env)
{
	delete static_cast<rocksdb::Env *>(env);
}

/* A disk that fails where it is told to. Preloaded into the server (LD_PRELOAD), it counts what is done to the files of
 * one folder, and at the n-th thing
 *
 *   kill   ends the process, before that is done;
 *   power  ends it too, and takes back everything that was not synced: bytes, lengths, new files;
 *   full   fails it, and the next few, with ENOSPC;
 *   error  fails it, and the next few, with EIO.
 *
 * BAOAN_DISK is "kind n few", BAOAN_DISK_FOLDER the folder. BAOAN_DISK_LOG gets a line for each thing, and one for each
 * answer over HTTP before it is sent; a thing is over when the next line is written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kind[16], folder[4096];
static long at, few, count;
static int record = -1, ready;

/* What a power cut would take back, newest first. */
struct undo {
  struct undo *next;
  char path[512];
  dev_t dev;
  ino_t ino;
  int created;
  off_t offset, size;
  size_t held;
  char old[];
};
static struct undo *undone;

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void start(void) {
  if (ready) return;
  ready = 1;
  const char *plan = getenv("BAOAN_DISK"), *in = getenv("BAOAN_DISK_FOLDER"), *to = getenv("BAOAN_DISK_LOG");
  if (plan && sscanf(plan, "%15s %ld %ld", kind, &at, &few) < 2) kind[0] = 0;
  if (in) snprintf(folder, sizeof folder, "%s/", in);
  if (to) record = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

/* The file behind a descriptor, if it lies in the folder. */
static int ours(int fd, char *path, size_t room) {
  start();
  if (!folder[0]) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, room - 1);
  if (n < 0) return 0;
  path[n] = 0;
  /* Shared memory of SQLite is no file that must last. */
  size_t length = strlen(path);
  if (length > 4 && !strcmp(path + length - 4, "-shm")) return 0;
  return !strncmp(path, folder, strlen(folder)) || (!strncmp(path, folder, strlen(folder) - 1) && length + 1 == strlen(folder));
}

static void power_cut(void) {
  for (struct undo *u = undone; u; u = u->next) {
    if (u->created) { unlink(u->path); continue; }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, u->path, O_RDWR, 0);
    if (fd < 0) continue;
    if (u->held) syscall(SYS_pwrite64, fd, u->old, u->held, u->offset);
    syscall(SYS_ftruncate, fd, u->size);
    close(fd);
  }
}

/* Counts one thing; 0: go on, else the error it fails with. Holds the lock only for itself. */
static int thing(const char *what, const char *path) {
  long n = ++count;
  if (record >= 0) {
    char line[640];
    int length = snprintf(line, sizeof line, "%s %s\n", what, path + strlen(folder));
    syscall(SYS_write, record, line, length);
  }
  if (!strcmp(kind, "kill") && n == at) kill(getpid(), SIGKILL);
  if (!strcmp(kind, "power") && n == at) { power_cut(); kill(getpid(), SIGKILL); }
  if (n >= at && n < at + few) {
    if (!strcmp(kind, "full") && strncmp(what, "sync", 4)) return ENOSPC;
    if (!strcmp(kind, "error")) return EIO;
  }
  return 0;
}

static void remember(int fd, const char *path, off_t offset, size_t length, int created) {
  if (strcmp(kind, "power")) return;
  struct stat s;
  if (fstat(fd, &s)) return;
  size_t held = 0;
  if (!created && offset < s.st_size) held = (size_t)(s.st_size - offset) < length ? (size_t)(s.st_size - offset) : length;
  struct undo *u = calloc(1, sizeof *u + held);
  if (!u) return;
  snprintf(u->path, sizeof u->path, "%s", path);
  u->dev = s.st_dev; u->ino = s.st_ino; u->created = created; u->offset = offset; u->size = s.st_size; u->held = held;
  if (held && pread(fd, u->old, held, offset) < 0) u->held = 0;
  u->next = undone;
  undone = u;
}

static void synced(int fd) {
  struct stat s;
  if (fstat(fd, &s)) return;
  for (struct undo **u = &undone; *u;) {
    struct undo *here = *u;
    if (here->dev == s.st_dev && here->ino == s.st_ino) { *u = here->next; free(here); } else u = &here->next;
  }
}

ssize_t writev(int fd, const struct iovec *parts, int count_of_parts) {
  REAL(writev);
  start();
  if (record >= 0 && count_of_parts > 0 && parts[0].iov_len > 12 && !memcmp(parts[0].iov_base, "HTTP/1.1", 8)) {
    char line[32];
    int length = snprintf(line, sizeof line, "answer %.3s\n", (const char *)parts[0].iov_base + 9);
    pthread_mutex_lock(&lock);
    syscall(SYS_write, record, line, length);
    pthread_mutex_unlock(&lock);
  }
  return real(fd, parts, count_of_parts);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write);
  char path[512];
  if (!ours(fd, path, sizeof path)) return real(fd, bytes, length);
  pthread_mutex_lock(&lock);
  int failed = thing("write", path);
  ssize_t n = -1;
  if (!failed) {
    off_t offset = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    remember(fd, path, offset, length, 0);
    n = real(fd, bytes, length);
  }
  pthread_mutex_unlock(&lock);
  if (failed) errno = failed;
  return n;
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset) {
  char path[512];
  if (!ours(fd, path, sizeof path)) return syscall(SYS_pwrite64, fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  int failed = thing("write", path);
  ssize_t n = -1;
  if (!failed) {
    remember(fd, path, offset, length, 0);
    n = syscall(SYS_pwrite64, fd, bytes, length, offset);
  }
  pthread_mutex_unlock(&lock);
  if (failed) errno = failed;
  return n;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return write_at(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return write_at(fd, bytes, length, offset); }

static int sync_of(int fd, int number, const char *what) {
  char path[512];
  if (!ours(fd, path, sizeof path)) return (int)syscall(number, fd);
  pthread_mutex_lock(&lock);
  int failed = thing(what, path), n = -1;
  if (!failed) {
    n = (int)syscall(number, fd);
    synced(fd);
  }
  pthread_mutex_unlock(&lock);
  if (failed) errno = failed;
  return n;
}
int fsync(int fd) { return sync_of(fd, SYS_fsync, "sync"); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync, "sync"); }

static int cut(int fd, off_t size) {
  char path[512];
  if (!ours(fd, path, sizeof path)) return (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&lock);
  int failed = thing("cut", path), n = -1;
  if (!failed) {
    remember(fd, path, size, (size_t)-1 >> 1, 0);
    n = (int)syscall(SYS_ftruncate, fd, size);
  }
  pthread_mutex_unlock(&lock);
  if (failed) errno = failed;
  return n;
}
int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off_t size) { return cut(fd, size); }

static int open_at(int dir, const char *name, int flags, mode_t mode) {
  start();
  if (!(flags & O_CREAT) || strncmp(name, folder, strlen(folder)) || !folder[0]) return (int)syscall(SYS_openat, dir, name, flags, mode);
  size_t length = strlen(name);
  if (length > 4 && !strcmp(name + length - 4, "-shm")) return (int)syscall(SYS_openat, dir, name, flags, mode);
  struct stat s;
  int is_new = stat(name, &s) != 0;
  if (!is_new) return (int)syscall(SYS_openat, dir, name, flags, mode);
  pthread_mutex_lock(&lock);
  int failed = thing("create", name), fd = -1;
  if (!failed) {
    fd = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0) remember(fd, name, 0, 0, 1);
  }
  pthread_mutex_unlock(&lock);
  if (failed) errno = failed;
  return fd;
}
static mode_t mode_of(int flags, va_list more) { return flags & O_CREAT ? (mode_t)va_arg(more, int) : 0; }
int open(const char *name, int flags, ...) { va_list m; va_start(m, flags); mode_t mode = mode_of(flags, m); va_end(m); return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { va_list m; va_start(m, flags); mode_t mode = mode_of(flags, m); va_end(m); return open_at(AT_FDCWD, name, flags, mode); }
int openat(int dir, const char *name, int flags, ...) { va_list m; va_start(m, flags); mode_t mode = mode_of(flags, m); va_end(m); return open_at(dir, name, flags, mode); }
int openat64(int dir, const char *name, int flags, ...) { va_list m; va_start(m, flags); mode_t mode = mode_of(flags, m); va_end(m); return open_at(dir, name, flags, mode); }

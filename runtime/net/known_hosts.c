#include "net/known_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/home.h"
#include "base/memory.h"
#include "net/endpoint.h"
#include "net/pin.h"

#define READ_SIZE 16384
#define LOCK_TRIES 200          /* 10 ms each: a lock is held for much less */

/* What is looked for, and where. */
struct search {
    char *path;
    char *name;                 /* of the peer, as the file has it */
    const char *pin;            /* that it showed */
    struct harp_error *error;
};

/* ---- refusals: what happened, where, and what to do ---- */

static int refuse_file(const struct search *search, const char *what,
                       const char *reason)
{
    return error_set(search->error, COMMUNICATION_ERROR, "known_hosts",
                     "the known hosts cannot be %s: %s: %s; give a pin, a "
                     "ca_file or another known_hosts file, or verify = false "
                     "to go without", what, search->path, reason);
}

static int refuse_changed(const struct search *search, size_t line)
{
    return error_set(search->error, COMMUNICATION_ERROR, "certificate",
                     "the peer's key has changed, it is %s now: either it was "
                     "given a new one, then remove line %zu of %s, or someone "
                     "is between you and it", search->pin, line,
                     search->path);
}

static int refuse_line(const struct search *search, size_t line)
{
    char *reason = memory_format("line %zu is not \"host:port sha256//…\"",
                                 line);

    refuse_file(search, "read", reason);
    free(reason);
    return -1;
}

/* ---- reading ---- */

/* The next line without white space around it; the rest follows it. */
static struct text next_line(struct text *rest)
{
    const char *end = memchr(rest->data, '\n', rest->length);
    size_t length = end ? (size_t)(end - rest->data) : rest->length;
    struct text line = { rest->data, length };

    rest->data += length + (end != NULL);
    rest->length -= length + (end != NULL);
    while (line.length && isspace((unsigned char)*line.data))
        line.data++, line.length--;
    while (line.length && isspace((unsigned char)line.data[line.length - 1]))
        line.length--;
    return line;
}

/* The last word is the pin; the path of a socket may have spaces in it. */
static bool split(struct text line, struct text *name, struct text *pin)
{
    char word[PIN_SIZE];
    size_t start = line.length;

    while (start && !isspace((unsigned char)line.data[start - 1]))
        start--;
    *pin = (struct text){ line.data + start, line.length - start };
    while (start && isspace((unsigned char)line.data[start - 1]))
        start--;
    *name = (struct text){ line.data, start };
    if (!start || pin->length >= sizeof word)
        return false;
    memcpy(word, pin->data, pin->length);
    word[pin->length] = '\0';
    return pin_is_valid(word);
}

static bool is_name(struct text name, const char *wanted)
{
    if (strncmp(wanted, "unix:", 5) == 0)
        return text_is(name, wanted);
    return name.length == strlen(wanted)
        && strncasecmp(name.data, wanted, name.length) == 0;
}

static bool is_whole(struct text lines)
{
    return !lines.length || lines.data[lines.length - 1] == '\n';
}

/*
 * 1 known by this key, 0 not known at all, -1 refused. Without the lock the
 * last line may be one that another process is still writing.
 */
static int look_up(const struct search *search, struct text lines, bool locked)
{
    bool partial = !locked && !is_whole(lines);
    size_t number = 0, other = 0;

    while (lines.length) {
        struct text line = next_line(&lines), name, pin;

        number++;
        if (!line.length || *line.data == '#')
            continue;
        if (!split(line, &name, &pin))
            return partial && !lines.length ? 0 : refuse_line(search, number);
        if (!is_name(name, search->name))
            continue;
        if (text_is(pin, search->pin))
            return 1;
        other = other ? other : number;
    }
    return other ? refuse_changed(search, other) : 0;
}

static int read_all(int fd, struct buffer *text)
{
    ssize_t got;

    while ((got = read(fd, buffer_reserve(text, READ_SIZE), READ_SIZE)) > 0)
        text->length += (size_t)got;
    return (int)got;
}

/* What is no ordinary file keeps nothing, and a pipe would not even open. */
static int open_file(const struct search *search, int flags)
{
    int fd = open(search->path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    struct stat status;

    if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

static int find(const struct search *search)
{
    struct buffer text = { 0 };
    int found, fd = open_file(search, O_RDONLY);

    if (fd < 0)
        return errno == ENOENT ? 0
             : refuse_file(search, "read", strerror(errno));
    found = read_all(fd, &text) == 0
          ? look_up(search, buffer_text(&text), false)
          : refuse_file(search, "read", strerror(errno));
    buffer_free(&text);
    close(fd);
    return found;
}

/* ---- adding ---- */

static int lock(int fd)
{
    const struct timespec pause = { .tv_nsec = 10000000 };

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES)
            return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Would it be found again? The path of a socket may have anything in it. */
static bool is_readable(const struct search *search, struct text lines)
{
    struct text line = next_line(&lines), name, pin;

    return !lines.length && split(line, &name, &pin)
        && is_name(name, search->name);
}

/* All of it or nothing, also when the disk is full. */
static int write_whole(int fd, struct text bytes, size_t size_before)
{
    ssize_t written = write(fd, bytes.data, bytes.length);

    if (written < 0 || (size_t)written == bytes.length)
        return written < 0 ? -1 : 0;
    if (ftruncate(fd, (off_t)size_before) == 0)
        errno = ENOSPC;
    return -1;
}

static int append(int fd, const struct search *search, struct text before)
{
    bool inside = !is_whole(before);
    struct buffer line = { 0 };
    int status = 0;

    buffer_printf(&line, "%s %s\n", search->name, search->pin);
    if (!is_readable(search, buffer_text(&line)))
        status = refuse_file(search, "written",
                             "it cannot have a peer of that name");
    else if ((inside && write_whole(fd, text_of("\n"), before.length) != 0)
             || write_whole(fd, buffer_text(&line),
                            before.length + inside) != 0)
        status = refuse_file(search, "written", strerror(errno));
    buffer_free(&line);
    return status;
}

/* Under the lock: another process may have been first. */
static int add_locked(int fd, const struct search *search)
{
    struct buffer text = { 0 };
    int found;

    if (lock(fd) != 0 || read_all(fd, &text) != 0) {
        found = refuse_file(search, "written", strerror(errno));
    } else {
        found = look_up(search, buffer_text(&text), true);
        if (found == 0)
            found = append(fd, search, buffer_text(&text));
    }
    buffer_free(&text);
    return found < 0 ? -1 : 0;
}

static int add(const struct search *search)
{
    int status, fd = open_file(search, O_RDWR | O_APPEND | O_CREAT);

    if (fd < 0)
        return refuse_file(search, "written", strerror(errno));
    status = add_locked(fd, search);
    close(fd);                  /* which unlocks it */
    return status;
}

/* Host names have no case. */
static char *name_of(const struct endpoint *endpoint)
{
    char *name = endpoint_name(endpoint);

    for (char *at = name; *at && !endpoint->path; at++)
        *at = (char)tolower((unsigned char)*at);
    return name;
}

/* The user's own file is made with all that leads to it. */
static int find_or_add(const struct search *search, bool own)
{
    int found = find(search);

    if (found != 0)
        return found;
    if (own && home_make_above(search->path) != 0)
        return refuse_file(search, "written", strerror(errno));
    return add(search);
}

int known_hosts_check(const struct endpoint *endpoint, const char *pin,
                      struct harp_error *error)
{
    bool own = !endpoint->known_hosts;
    struct search search = {
        .path = own ? home_state("known_hosts")
                    : memory_string(endpoint->known_hosts),
        .name = name_of(endpoint),
        .pin = pin,
        .error = error,
    };
    int found;

    if (search.path) {
        found = find_or_add(&search, own);
    } else {
        search.path = memory_string("~/.local/state/harp/known_hosts");
        found = refuse_file(&search, "read", "there is no home directory");
    }
    free(search.path);
    free(search.name);
    return found < 0 ? -1 : 0;
}

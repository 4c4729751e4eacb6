/*
 * What loopback and the disk themselves cost: the yardstick of client.lua and
 * dispatcher.lua. A child answers on the other side; both do nothing but move
 * bytes.
 *
 *   bare connect  COUNT REQUEST REPLY   a connection for each exchange
 *   bare pingpong COUNT REQUEST REPLY   all over one connection
 *   bare flood    COUNT LINE            lines in one direction
 *   bare sync     COUNT FILE            small appends, each one made durable
 *   bare sqlite   COUNT FILE            rows, each one a durable commit
 *   bare jobs     COUNT FILE            finished jobs, into a dispatcher's file
 *
 * REQUEST, REPLY and LINE are sizes in bytes. Prints how many a second.
 *
 * Two are clients of a dispatcher that cost little themselves:
 *
 *   bare idle     COUNT PORT            connects, says so, and stays until its
 *                                       standard input ends
 *   bare follow   COUNT PORT JOB        follows a job that often, from packet 0
 *                                       on; every hundredth never reads. Prints
 *                                       the lines a second of all the others
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char bytes[65536];

static void check(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int listen_at(struct sockaddr_in *address)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof *address;

    *address = (struct sockaddr_in){ .sin_family = AF_INET };
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(listener, (struct sockaddr *)address, length) == 0, "bind");
    check(listen(listener, 128) == 0, "listen");
    getsockname(listener, (struct sockaddr *)address, &length);
    return listener;
}

static void set_nodelay(int peer)
{
    int on = 1;

    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int connect_to(const struct sockaddr_in *address)
{
    int peer = socket(AF_INET, SOCK_STREAM, 0);

    check(connect(peer, (const struct sockaddr *)address, sizeof *address)
          == 0, "connect");
    set_nodelay(peer);
    return peer;
}

static void put(int peer, size_t size)
{
    check(write(peer, bytes, size) == (ssize_t)size, "write");
}

/* 0 when the peer has closed. */
static int get(int peer, size_t size)
{
    while (size) {
        ssize_t got = read(peer, bytes, size);

        check(got >= 0, "read");
        if (got == 0)
            return 0;
        size -= (size_t)got;
    }
    return 1;
}

/* The child: answers until the parent kills it. */
static void answer(int listener, size_t request, size_t reply)
{
    for (;;) {
        int peer = accept(listener, NULL, NULL);

        check(peer >= 0, "accept");
        set_nodelay(peer);
        while (get(peer, request))
            put(peer, reply);
        close(peer);
    }
}

static void pour(int listener, long count, size_t line)
{
    size_t whole = sizeof bytes / line, left = (size_t)count;
    int peer = accept(listener, NULL, NULL);

    while (left) {
        size_t lines = left < whole ? left : whole;

        put(peer, lines * line);
        left -= lines;
    }
    exit(0);
}

static double exchange(long count, size_t request, size_t reply, int anew)
{
    struct sockaddr_in address;
    int listener = listen_at(&address), peer;
    pid_t child = fork();
    double start;

    if (child == 0)
        answer(listener, request, reply);
    start = now();
    peer = connect_to(&address);
    for (long i = 0; i < count; i++) {
        put(peer, request);
        get(peer, reply);
        if (anew) {
            close(peer);
            peer = connect_to(&address);
        }
    }
    start = now() - start;
    kill(child, SIGKILL);
    return start;
}

static double flood(long count, size_t line)
{
    struct sockaddr_in address;
    int listener = listen_at(&address), peer;
    double start;

    if (fork() == 0)
        pour(listener, count, line);
    start = now();
    peer = connect_to(&address);
    while (read(peer, bytes, 16384) > 0)
        ;
    return now() - start;
}

static double sync_each(long count, const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    double start = now();

    check(file >= 0, path);
    for (long i = 0; i < count; i++) {
        put(file, 4096);
        check(fdatasync(file) == 0, "fdatasync");
    }
    close(file);
    unlink(path);
    return now() - start;
}

/* ---- SQLite itself ---- */

static sqlite3 *open_database(const char *path)
{
    sqlite3 *database;

    check(sqlite3_open(path, &database) == SQLITE_OK, path);
    check(sqlite3_exec(database, "PRAGMA journal_mode = WAL;"
                       "PRAGMA synchronous = FULL;"
                       "PRAGMA locking_mode = EXCLUSIVE;", NULL, NULL, NULL)
          == SQLITE_OK, path);
    return database;
}

static double commit_each(long count, const char *path)
{
    sqlite3 *database = open_database(path);
    double start;

    check(sqlite3_exec(database, "CREATE TABLE t (a INTEGER PRIMARY KEY,"
                       " b TEXT NOT NULL UNIQUE, c TEXT)", NULL, NULL, NULL)
          == SQLITE_OK, path);
    start = now();
    for (long i = 0; i < count; i++) {
        char sql[160];

        snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%ld, 'job %ld',"
                 " 'about as long as a small call is')", i, i);
        check(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK,
              path);
    }
    start = now() - start;
    sqlite3_close(database);
    return start;
}

static double fill_jobs(long count, const char *path)
{
    sqlite3 *database = open_database(path);
    char sql[640];
    double start = now();

    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
             " WHERE i < %ld) INSERT INTO job (id, host, procedure, arguments,"
             " concurrency, timeout, max_exec_time, submit, start, end,"
             " outcome) SELECT printf('%%08x-0000-4000-8000-000000000000', i),"
             " 'web' || i %% 100, 'sum', '[1,2]', 1, 0, 0, i, i, i,"
             " '{\"result\":3}' FROM n", count);
    check(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK, path);
    sqlite3_close(database);
    return now() - start;
}

/* ---- clients ---- */

static struct pollfd *connect_many(long count, const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct pollfd *peers = calloc((size_t)count, sizeof *peers);
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (long i = 0; i < count; i++)
        peers[i] = (struct pollfd){ connect_to(&address), POLLIN, 0 };
    return peers;
}

static int stay_idle(long count, const char *port)
{
    free(connect_many(count, port));
    puts("connected");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}

static long count_lines(ssize_t got)
{
    long lines = 0;
    const char *at = bytes;

    while ((at = memchr(at, '\n', (size_t)(bytes + got - at)))) {
        lines++;
        at++;
    }
    return lines;
}

static int follow(long count, const char *port, const char *job)
{
    struct pollfd *peers = connect_many(count, port);
    long reading = count, lines = 0;
    char request[160];
    double start = now();
    int size = snprintf(request, sizeof request, "{\"harpcaller\":1,"
                        "\"follow_stream\":\"%s\",\"since\":0}\n", job);

    for (long i = 0; i < count; i++) {
        check(write(peers[i].fd, request, (size_t)size) == size, "write");
        if (i % 100 == 0) {
            peers[i].fd = -1;   /* open still, and never read */
            reading--;
        }
    }
    while (reading && poll(peers, (nfds_t)count, -1) > 0) {
        for (long i = 0; i < count; i++) {
            ssize_t got;

            if (peers[i].fd < 0 || !peers[i].revents)
                continue;
            got = read(peers[i].fd, bytes, sizeof bytes);
            check(got >= 0, "read");
            lines += count_lines(got);
            if (got == 0) {
                close(peers[i].fd);
                peers[i].fd = -1;
                reading--;
            }
        }
    }
    free(peers);
    printf("%.0f\n", (double)lines / (now() - start));
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    long count = argc > 2 ? atol(argv[2]) : 0;
    size_t request = argc > 3 ? (size_t)atol(argv[3]) : 0;
    size_t reply = argc > 4 ? (size_t)atol(argv[4]) : 0;
    double seconds = 0;

    if (argc == 5 && strcmp(what, "connect") == 0)
        seconds = exchange(count, request, reply, 1);
    else if (argc == 5 && strcmp(what, "pingpong") == 0)
        seconds = exchange(count, request, reply, 0);
    else if (argc == 4 && strcmp(what, "flood") == 0)
        seconds = flood(count, request);
    else if (argc == 4 && strcmp(what, "sync") == 0)
        seconds = sync_each(count, argv[3]);
    else if (argc == 4 && strcmp(what, "idle") == 0)
        return stay_idle(count, argv[3]);
    else if (argc == 5 && strcmp(what, "follow") == 0)
        return follow(count, argv[3], argv[4]);
    else if (argc == 4 && strcmp(what, "sqlite") == 0)
        seconds = commit_each(count, argv[3]);
    else if (argc == 4 && strcmp(what, "jobs") == 0)
        seconds = fill_jobs(count, argv[3]);
    if (seconds == 0) {
        fputs("usage: see the top of bare.c\n", stderr);
        return 2;
    }
    printf("%.0f\n", (double)count / seconds);
    return 0;
}
